use dunlin_backfill::Change;

#[derive(Change)]
struct Named {
    #[change(cast = "text", cast = "name")]
    name: String,
}

fn main() {}
