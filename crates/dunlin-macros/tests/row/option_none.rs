use dunlin_backfill::Row;

#[derive(Row)]
struct Person {
    #[row()]
    name: String,
}

fn main() {}
