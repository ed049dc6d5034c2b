use dunlin_backfill::Change;

#[derive(Change)]
struct Named {
    #[change(cast = "text; SELECT 1")]
    name: String,
}

fn main() {}
