use dunlin_backfill::Row;

#[derive(Row)]
struct Person {
    #[row(column = name)]
    name: String,
}

fn main() {}
