use dunlin_backfill::Row;

#[derive(Row)]
struct Person;

fn main() {}
