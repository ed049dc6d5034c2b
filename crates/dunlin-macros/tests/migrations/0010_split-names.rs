//! A migration in Rust.

use dunlin::{BoxError, Context, RustMigration};

/// Splits the names.
pub struct Migration;

impl RustMigration for Migration {
    const REVISION: u32 = 3;

    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        Ok(cx.client().batch_execute("SELECT 1").await?)
    }
}
