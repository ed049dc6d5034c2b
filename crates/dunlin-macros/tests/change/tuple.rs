use dunlin_backfill::Change;

#[derive(Change)]
struct Named(String);

fn main() {}
