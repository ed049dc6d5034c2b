use dunlin_backfill::Row;

#[derive(Row)]
struct Person {
    #[row(column = "name\0")]
    name: String,
}

fn main() {}
