use dunlin_backfill::Row;

#[derive(Row)]
union Person {
    id: i64,
}

fn main() {}
