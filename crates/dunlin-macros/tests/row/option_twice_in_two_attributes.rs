use dunlin_backfill::Row;

#[derive(Row)]
struct Person {
    #[row(column = "a")]
    #[row(column = "b")]
    name: String,
}

fn main() {}
