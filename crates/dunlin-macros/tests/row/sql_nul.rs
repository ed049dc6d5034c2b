use dunlin_backfill::Row;

#[derive(Row)]
struct Person {
    #[row(sql = "name || '\0'")]
    name: String,
}

fn main() {}
