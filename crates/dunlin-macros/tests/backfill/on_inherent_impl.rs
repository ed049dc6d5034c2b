use dunlin_backfill::migration;

pub struct Migration;

#[migration]
impl Migration {
    fn source(&self) {}
}

fn main() {}
