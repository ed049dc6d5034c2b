use dunlin_backfill::migration;

pub struct Migration;

#[migration]
impl std::fmt::Display for Migration {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}

fn main() {}
