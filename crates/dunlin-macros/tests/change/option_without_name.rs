use dunlin_backfill::Change;

#[derive(Change)]
struct Named {
    #[change("name")]
    name: String,
}

fn main() {}
