use dunlin_backfill::Change;

#[derive(Change)]
struct Named {
    #[change(cast = "numeric(10")]
    name: String,
}

fn main() {}
