use dunlin_backfill::Row;

#[derive(Row)]
struct Person {
    #[row(column = "a", sql = "lower(a)")]
    name: String,
}

fn main() {}
