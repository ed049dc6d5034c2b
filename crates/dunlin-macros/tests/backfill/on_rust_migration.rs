use dunlin_backfill::migration;

use dunlin::{BoxError, Context, RustMigration};

pub struct Migration;

#[migration]
impl RustMigration for Migration {
    async fn up(&self, _: &Context<'_>) -> Result<(), BoxError> {
        Ok(())
    }
}

fn main() {}
