use dunlin_backfill::Row;

#[derive(Row)]
struct Person {
    #[row(column = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn")]
    name: String,
}

fn main() {}
