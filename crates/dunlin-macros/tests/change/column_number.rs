use dunlin_backfill::Change;

#[derive(Change)]
struct Named {
    #[change(column = 1)]
    name: String,
}

fn main() {}
