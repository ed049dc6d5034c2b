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
        let hold = storage(cx)?.hold()?;
        let tell = |done, total| cx.progress(done, total);
        let report = sweep(&hold, cx.client(), &tell).await.map_err(Error::into_cause)?;
        tracing::info!(%report, "the files of all generations are in their folders");
        Ok(())
    }

    async fn down(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        if cx.resource() == Some(&Rollback::Database) {
            return Ok(()); // the files stay where they are, and the next `up` adopts them
        }
        let hold = storage(cx)?.hold()?;
        let tell = |done, total| cx.progress(done, total);
        let report = flatten(&hold, cx.client(), &tell).await.map_err(Error::into_cause)?;
        tracing::info!(%report, "the files of all generations lie flat");
        Ok(())
    }

    async fn verify(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        Tree::read(storage(cx)?)?.verify(cx.client()).await.map_err(Error::into_cause)
    }
}

fn storage<'a>(cx: &Context<'a>) -> Result<&'a Storage, Error> {
    cx.resource().ok_or(Error::NoStorage)
}
