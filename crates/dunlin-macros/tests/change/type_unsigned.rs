use dunlin_backfill::Change;

#[derive(Change)]
struct Named {
    count: u64,
}

fn main() {}
