use dunlin_backfill::Row;

#[derive(Row)]
struct Person {
    #[row(sql = " ")]
    name: String,
}

fn main() {}
