use dunlin_backfill::Change;

#[derive(Change)]
union Named {
    id: i64,
}

fn main() {}
