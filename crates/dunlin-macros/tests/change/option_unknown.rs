use dunlin_backfill::Change;

#[derive(Change)]
struct Named {
    #[change(sql = "lower(name)")]
    name: String,
}

fn main() {}
