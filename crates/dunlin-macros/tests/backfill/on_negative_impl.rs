use dunlin_backfill::migration;

use dunlin_backfill::Backfill;

pub struct Migration;

#[migration]
impl !Backfill for Migration {}

fn main() {}
