use dunlin_backfill::Row;

#[derive(Row)]
struct Person {
    #[row = "name"]
    name: String,
}

fn main() {}
