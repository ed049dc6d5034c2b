use dunlin_backfill::Change;

#[derive(Change)]
struct Named<'a> {
    name: &'a str,
}

fn main() {}
