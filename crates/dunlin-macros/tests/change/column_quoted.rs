use dunlin_backfill::Change;

#[derive(Change)]
struct Named {
    #[change(column = "\"Name\"")]
    name: String,
}

fn main() {}
