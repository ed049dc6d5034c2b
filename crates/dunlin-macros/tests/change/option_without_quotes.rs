use dunlin_backfill::Change;

#[derive(Change)]
struct Named {
    #[change(cast = text)]
    name: String,
}

fn main() {}
