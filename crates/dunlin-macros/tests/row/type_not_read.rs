use dunlin_backfill::Row;

#[derive(Row)]
struct Person {
    name: Vec<Name>,
}

struct Name;

fn main() {}
