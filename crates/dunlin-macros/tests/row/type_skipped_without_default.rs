use dunlin_backfill::Row;

#[derive(Row)]
struct Person {
    #[row(skip)]
    name: Name,
}

struct Name;

fn main() {}
