use dunlin_backfill::Change;

#[derive(Change)]
struct Named {
    name: String,
    #[change(column = "name")]
    other: String,
}

fn main() {}
