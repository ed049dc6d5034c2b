//! Three of three: what there was before there were periods becomes period 0 of each topic and user.
//!
//! What it is made of, and what becomes of entities that have no contents or are deleted, is in `src/period_zero.rs`.

use dunlin::{BoxError, Context, RustMigration, TransactionMode};
use dunlin_backfill::{Backfill, Parts};

use crate::period_zero::{Counts, Links, Topics, Users};
use crate::{Teller, Told};

pub struct Migration;

impl RustMigration for Migration {
    const REVERSIBLE: bool = true;
    // A batch is a transaction. What was cut off goes on with the part and the batch that it was at.
    const TRANSACTION: TransactionMode = TransactionMode::None;

    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        part(cx, "topics", &Topics).await?;
        part(cx, "users", &Users).await?;
        part(cx, "links", &Links).await?;
        part(cx, "counts", &Counts).await
    }

    /// What it has written goes with the columns and tables that it is in: this only forgets that it was done.
    async fn down(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        let parts = Parts::of(cx);
        parts.revert("counts", &Counts).await?;
        parts.revert("links", &Links).await?;
        parts.revert("users", &Users).await?;
        parts.revert("topics", &Topics).await
    }

    async fn verify(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        let parts = Parts::of(cx);
        parts.verify("topics", &Topics).await?;
        parts.verify("users", &Users).await?;
        parts.verify("links", &Links).await?;
        parts.verify("counts", &Counts).await?;
        Ok(())
    }
}

async fn part(cx: &Context<'_>, name: &str, backfill: &impl Backfill) -> Result<(), BoxError> {
    let teller: Teller = cx.resource().cloned().unwrap_or_default();
    teller.tell(Told::Begins(name));
    teller.tell(Told::Ended(&Parts::of(cx).run(name, backfill).await?));
    Ok(())
}
