use dunlin_backfill::Row;

#[derive(Row)]
struct Person {
    #[row(rename = "x")]
    name: String,
}

fn main() {}
