use dunlin_core::{BoxError, Context};

use crate::hooks::{name, place, undo, work};
use crate::{Backfill, Error, Report, remains};

/// The backfills of one migration that has several, in an order of its own: parent rows first, then the links of their children.
///
/// The migration is a [`RustMigration`](dunlin_core::RustMigration) outside a transaction, and each of its hooks does for each part what the
/// hook of [`#[migration]`](macro@crate::migration) does for a backfill by itself. A part that is done finds nothing left to do, so that a
/// migration that was cut off goes on with the part in which that was. The part `links` of the migration `periods` is called
/// `periods:links` wherever [a name](crate::Backfills) is asked for. Its parts are done in the run that applies it, whatever their
/// [placement](crate::Placement).
///
/// ```
/// use dunlin_backfill::{Backfill, Parts};
/// use dunlin_core::{BoxError, Context, RustMigration, TransactionMode};
/// # use dunlin_backfill::{Row, RowError, Source};
/// # #[derive(Row)]
/// # struct Nothing {}
/// # struct Topics;
/// # impl Backfill for Topics {
/// #     type Row = Nothing;
/// #     type Change = ();
/// #     fn source(&self) -> Source { Source::table("topics").remaining("false") }
/// #     fn convert(&self, _: &Nothing) -> Result<Option<()>, RowError> { Ok(None) }
/// # }
/// # use Topics as Links;
///
/// pub struct Migration;
///
/// impl RustMigration for Migration {
///     const REVERSIBLE: bool = true;
///     const TRANSACTION: TransactionMode = TransactionMode::None;
///
///     async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
///         let parts = Parts::of(cx);
///         parts.run("topics", &Topics).await?;
///         parts.run("links", &Links).await?;
///         Ok(())
///     }
///
///     async fn down(&self, cx: &Context<'_>) -> Result<(), BoxError> {
///         let parts = Parts::of(cx);
///         parts.revert("links", &Links).await?;
///         parts.revert("topics", &Topics).await
///     }
///
///     async fn verify(&self, cx: &Context<'_>) -> Result<(), BoxError> {
///         let parts = Parts::of(cx);
///         parts.verify("topics", &Topics).await?;
///         parts.verify("links", &Links).await?;
///         Ok(())
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Parts<'a> {
    cx: &'a Context<'a>,
}

impl<'a> Parts<'a> {
    /// Those of the migration whose hook this is.
    #[must_use]
    pub fn of(cx: &'a Context<'a>) -> Self {
        Self { cx }
    }

    /// Runs a part to its end, and tells its progress as that of the migration: how many of the part's rows were looked at.
    ///
    /// # Errors
    ///
    /// Any [`ErrorKind`](crate::ErrorKind). What was done stays, and the next run goes on.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future undoes the transactions that are open. What was written before is written down, and the next run goes on.
    pub async fn run(&self, part: &str, backfill: &impl Backfill) -> Result<Report, Error> {
        work(self.cx, &self.name(part), backfill, None).await
    }

    /// Undoes a part as its [`down`](Backfill::down) says, and forgets what was written down about it.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), and when it says that nothing undoes it.
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run).
    pub async fn revert(&self, part: &str, backfill: &impl Backfill) -> Result<(), BoxError> {
        undo(self.cx, &self.name(part), backfill).await
    }

    /// Looks whether anything of a part remains to be done.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Remaining`](crate::ErrorKind::Remaining) if it does, and when the server can't be asked.
    ///
    /// # Cancel safety
    ///
    /// It only reads.
    pub async fn verify(&self, part: &str, backfill: &impl Backfill) -> Result<(), Error> {
        remains::verify(place(self.cx), &self.name(part), backfill).await
    }

    fn name(&self, part: &str) -> String {
        format!("{}:{part}", name(self.cx))
    }
}
