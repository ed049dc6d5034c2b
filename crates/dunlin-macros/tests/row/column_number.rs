use dunlin_backfill::Row;

#[derive(Row)]
struct Person {
    #[row(column = 1)]
    name: String,
}

fn main() {}
