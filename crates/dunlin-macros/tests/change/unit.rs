use dunlin_backfill::Change;

#[derive(Change)]
struct Named;

fn main() {}
