use dunlin_backfill::Row;

#[derive(Row)]
struct Person {
    #[row(sql = 1)]
    name: String,
}

fn main() {}
