//! Moves the files of each generation from the flat storage root into the folder of its version.
//!
//! It holds the storage root while it runs, and may be killed at any file: see `sweep` and `flatten`.

use dunlin::{BoxError, Context, RustMigration, TransactionMode};

use crate::{Error, Rollback, Storage, Tree, flatten, sweep};

pub struct Migration;

impl RustMigration for Migration {
    const REVERSIBLE: bool = true;
    const TRANSACTION: TransactionMode = TransactionMode::None;

    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        wait_for_rows(cx).await?;
        let hold = storage(cx)?.hold()?;
        let report = sweep(&hold, cx.client(), &|done, total| cx.progress(done, total)).await?;
        tracing::info!(%report, "the files of all generations are in their folders");
        Ok(())
    }

    async fn down(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        if cx.resource() == Some(&Rollback::Database) {
            return Ok(()); // the files stay where they are, and the next `up` adopts them
        }
        wait_for_rows(cx).await?;
        let hold = storage(cx)?.hold()?;
        let report = flatten(&hold, cx.client(), &|done, total| cx.progress(done, total)).await?;
        tracing::info!(%report, "the files of all generations lie flat");
        Ok(())
    }

    async fn verify(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        Ok(Tree::read(storage(cx)?)?.verify(cx.client()).await?)
    }
}

fn storage<'a>(cx: &Context<'a>) -> Result<&'a Storage, Error> {
    cx.resource().ok_or(Error::NoStorage)
}

/// What it waits for here is a row that is being written, with nobody queued behind it: that may take longer than the wait for a
/// table's lock.
async fn wait_for_rows(cx: &Context<'_>) -> Result<(), Error> {
    Ok(cx.client().batch_execute("SET lock_timeout = '10s'").await?)
}
