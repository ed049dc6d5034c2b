use dunlin_backfill::Row;

#[derive(Row)]
struct Person {
    #[row(skip, column = "a")]
    name: String,
}

fn main() {}
