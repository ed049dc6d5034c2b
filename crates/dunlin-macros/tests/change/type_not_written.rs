use dunlin_backfill::Change;

#[derive(Change)]
struct Named {
    name: Option<Name>,
}

struct Name;

fn main() {}
