use dunlin_backfill::Row;

#[derive(Row)]
struct Person(String);

fn main() {}
