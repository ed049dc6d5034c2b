use dunlin_backfill::Row;

#[derive(Row)]
struct Person {
    #[row(skip = true)]
    name: String,
}

fn main() {}
