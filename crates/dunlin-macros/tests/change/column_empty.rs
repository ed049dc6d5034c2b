use dunlin_backfill::Change;

#[derive(Change)]
struct Named {
    #[change(column = "")]
    name: String,
}

fn main() {}
