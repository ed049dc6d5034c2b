use dunlin_backfill::Row;

#[derive(Row)]
struct Person {
    nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn: String,
}

fn main() {}
