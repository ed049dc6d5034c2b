//! Three of three: what there was before there were periods becomes period 0 of each topic and user.
//!
//! What it is made of, and what becomes of entities that have no contents or are deleted, is in `src/period_zero.rs`.

use dunlin::{BoxError, Context, RustMigration, TransactionMode};
use dunlin_backfill::{Parts, Report};
use crate::Teller;
use crate::period_zero::{Links, Topics, Users};

pub struct Migration;

impl RustMigration for Migration {
    const REVERSIBLE: bool = true;
    // A batch is a transaction. What was cut off goes on with the part and the batch that it was at.
    const TRANSACTION: TransactionMode = TransactionMode::None;

    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        let parts = Parts::of(cx);
        let tell = |report: Report| cx.resource().into_iter().for_each(|teller: &Teller| teller.tell(&report));
        tell(parts.run("topics", &Topics).await?);
        tell(parts.run("users", &Users).await?);
        tell(parts.run("links", &Links).await?);
        Ok(())
    }

    /// What it has written goes with the columns and tables that it is in: this only forgets that it was done.
    async fn down(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        let parts = Parts::of(cx);
        parts.revert("links", &Links).await?;
        parts.revert("users", &Users).await?;
        parts.revert("topics", &Topics).await
    }

    async fn verify(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        let parts = Parts::of(cx);
        parts.verify("topics", &Topics).await?;
        parts.verify("users", &Users).await?;
        parts.verify("links", &Links).await?;
        Ok(())
    }
}
