use dunlin_backfill::Row;

#[derive(Row)]
struct Person {
    #[row(sql = "name -- as it is")]
    name: String,
}

fn main() {}
