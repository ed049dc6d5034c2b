use dunlin_backfill::Row;

#[derive(Row)]
enum Person {
    Named { name: String },
}

fn main() {}
