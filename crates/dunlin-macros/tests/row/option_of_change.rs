use dunlin_backfill::Row;

#[derive(Row)]
struct Person {
    #[row(cast = "text")]
    name: String,
}

fn main() {}
