use dunlin_backfill::Change;

#[derive(Change)]
#[change(column = "name")]
struct Named {
    name: String,
}

fn main() {}
