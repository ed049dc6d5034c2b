use dunlin_backfill::Change;

#[derive(Change)]
struct Named {
    #[change(column = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn")]
    name: String,
}

fn main() {}
