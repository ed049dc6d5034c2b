use dunlin_backfill::migration;

#[migration]
fn up() {}

fn main() {}
