use dunlin_backfill::Change;

#[derive(Change)]
struct Named {
    #[change(cast = 1)]
    name: String,
}

fn main() {}
