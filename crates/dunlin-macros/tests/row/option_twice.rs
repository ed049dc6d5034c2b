use dunlin_backfill::Row;

#[derive(Row)]
struct Person {
    #[row(column = "a", column = "b")]
    name: String,
}

fn main() {}
