use dunlin_backfill::Row;

#[derive(Row)]
#[row(column = "name")]
struct Person {
    name: String,
}

fn main() {}
