use dunlin_backfill::Row;

#[derive(Row)]
struct Person {
    #[row(sql = "name || 'a")]
    name: String,
}

fn main() {}
