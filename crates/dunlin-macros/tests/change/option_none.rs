use dunlin_backfill::Change;

#[derive(Change)]
struct Named {
    #[change()]
    name: String,
}

fn main() {}
