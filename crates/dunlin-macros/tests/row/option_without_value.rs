use dunlin_backfill::Row;

#[derive(Row)]
struct Person {
    #[row(column)]
    name: String,
}

fn main() {}
