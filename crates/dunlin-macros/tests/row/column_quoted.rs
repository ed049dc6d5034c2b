use dunlin_backfill::Row;

#[derive(Row)]
struct Person {
    #[row(column = "\"Name\"")]
    name: String,
}

fn main() {}
