use dunlin_backfill::Row;

#[derive(Row)]
struct Person {
    #[row(sql = "name; DROP TABLE people")]
    name: String,
}

fn main() {}
