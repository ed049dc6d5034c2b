use dunlin_backfill::Row;

#[derive(Row)]
struct Person {
    #[row(sql("lower(name)"))]
    name: String,
}

fn main() {}
