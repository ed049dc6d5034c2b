use dunlin_backfill::Change;

#[derive(Change)]
struct Named {
    #[change(cast = "")]
    name: String,
}

fn main() {}
