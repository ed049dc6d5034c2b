use dunlin_backfill::Row;

#[derive(Row)]
struct Person<'a> {
    name: &'a str,
}

fn main() {}
