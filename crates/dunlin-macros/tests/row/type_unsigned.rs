use dunlin_backfill::Row;

#[derive(Row)]
struct Person {
    count: u64,
}

fn main() {}
