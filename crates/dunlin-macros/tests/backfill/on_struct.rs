use dunlin_backfill::migration;

#[migration]
pub struct Migration;

fn main() {}
