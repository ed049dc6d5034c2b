//! Gives birds a size.

use dunlin::{BoxError, Context, RustMigration};

/// In millimetres.
pub struct Migration;

impl RustMigration for Migration {
    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        cx.client().batch_execute("ALTER TABLE birds ADD size int").await?;
        Ok(())
    }
}
