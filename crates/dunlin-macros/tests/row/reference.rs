use dunlin_backfill::Row;

#[derive(Row)]
struct Person {
    name: &'static str,
}

fn main() {}
