use std::future::Future;

use async_trait::async_trait;

use crate::{BackfillProgress, BoxError, Checksum, Context, Migration, MigrationId, TransactionMode};

/// A migration written in Rust, without its id: what a `.rs` file in a migrations folder implements for its
/// `pub struct Migration`. Version and name come from the file name.
///
/// ```
/// use dunlin_core::{BoxError, Context, RustMigration};
///
/// pub struct Migration;
///
/// impl RustMigration for Migration {
///     const REVERSIBLE: bool = true;
///
///     async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
///         cx.client().batch_execute("ALTER TABLE users ADD COLUMN initials text").await?;
///         Ok(())
///     }
///
///     async fn down(&self, cx: &Context<'_>) -> Result<(), BoxError> {
///         cx.client().batch_execute("ALTER TABLE users DROP COLUMN initials").await?;
///         Ok(())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no migration",
    label = "does not implement `RustMigration`",
    note = "a migration in Rust has `impl dunlin::RustMigration for Migration`, with `async fn up`",
    note = "a backfill is a migration with `#[dunlin_backfill::migration]` above its `impl Backfill for Migration`"
)]
pub trait RustMigration: Send + Sync + 'static {
    /// Its declared revision, which takes the place of a checksum: raise it when a change should count as an edit.
    const REVISION: u32 = 1;

    /// Whether [`down`](Self::down) is implemented.
    const REVERSIBLE: bool = false;

    /// Whether the hooks run inside a transaction. Without one, `up` must stand being run again after a crash.
    const TRANSACTION: TransactionMode = TransactionMode::PerMigration;

    /// The names of earlier migrations whose backfills have to be finished before [`up`](Self::up): what `-- dunlin:
    /// requires-backfill = name` is in a SQL file.
    const REQUIRED_BACKFILLS: &'static [&'static str] = &[];

    /// Whether [`up`](Self::up) may put work off, which [`backfill`](Self::backfill) does after it.
    const BACKFILL: bool = false;

    /// Applies the migration. After a lock timeout, a deadlock or a serialization failure its transaction is undone and it
    /// is called again: what it does outside the database must stand that.
    ///
    /// # Errors
    ///
    /// Any other error undoes the transaction and ends the run.
    fn up(&self, cx: &Context<'_>) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// Undoes the migration. Called only when [`REVERSIBLE`](Self::REVERSIBLE) is true.
    ///
    /// # Errors
    ///
    /// Any error undoes the transaction and ends the run.
    fn down(&self, cx: &Context<'_>) -> impl Future<Output = Result<(), BoxError>> + Send {
        let _ = cx;
        async { Err("this migration declares `REVERSIBLE` without implementing `down`".into()) }
    }

    /// Checks that `up` did what it should. What it writes is rolled back.
    ///
    /// # Errors
    ///
    /// Any error means that the check has failed; the migration is undone with it.
    fn verify(&self, cx: &Context<'_>) -> impl Future<Output = Result<(), BoxError>> + Send {
        let _ = cx;
        async { Ok(()) }
    }

    /// Whether nothing is left of what `up` has put off. Asked only when [`BACKFILL`](Self::BACKFILL) is true.
    ///
    /// # Errors
    ///
    /// Any error ends what asks.
    fn is_backfilled(&self, cx: &Context<'_>) -> impl Future<Output = Result<bool, BoxError>> + Send {
        let _ = cx;
        async { Ok(true) }
    }

    /// Does what `up` has put off, and verifies it: by [`Migrator::finish_backfills`](crate::Migrator::finish_backfills), or at the
    /// [gate](crate::Gate) of a later migration. Called outside a transaction, by any number of processes at once.
    ///
    /// # Errors
    ///
    /// Any error ends what calls it. The next call goes on.
    fn backfill(&self, cx: &Context<'_>) -> impl Future<Output = Result<(), BoxError>> + Send {
        let _ = cx;
        async { Ok(()) }
    }

    /// How far what `up` has put off is, as far as it is written down, for [`Migrator::backfills`](crate::Migrator::backfills). Asked
    /// only when [`BACKFILL`](Self::BACKFILL) is true.
    ///
    /// # Errors
    ///
    /// Any error ends what asks.
    fn backfill_progress(
        &self,
        cx: &Context<'_>,
    ) -> impl Future<Output = Result<Option<BackfillProgress>, BoxError>> + Send {
        let _ = cx;
        async { Ok(None) }
    }
}

/// A [`RustMigration`] with its id: a whole [`Migration`].
pub(crate) struct Coded<M> {
    id: MigrationId,
    body: M,
}

impl<M> Coded<M> {
    pub(crate) fn new(id: MigrationId, body: M) -> Self {
        Self { id, body }
    }
}

#[async_trait]
impl<M: RustMigration> Migration for Coded<M> {
    fn id(&self) -> &MigrationId {
        &self.id
    }

    fn checksum(&self) -> Checksum {
        Checksum::Revision(M::REVISION)
    }

    fn transaction(&self) -> TransactionMode {
        M::TRANSACTION
    }

    fn is_reversible(&self) -> bool {
        M::REVERSIBLE
    }

    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        self.body.up(cx).await
    }

    async fn down(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        self.body.down(cx).await
    }

    async fn verify(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        self.body.verify(cx).await
    }

    fn required_backfills(&self) -> Vec<&str> {
        M::REQUIRED_BACKFILLS.to_vec()
    }

    fn is_backfill(&self) -> bool {
        M::BACKFILL
    }

    async fn is_backfilled(&self, cx: &Context<'_>) -> Result<bool, BoxError> {
        self.body.is_backfilled(cx).await
    }

    async fn backfill(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        self.body.backfill(cx).await
    }

    async fn backfill_progress(&self, cx: &Context<'_>) -> Result<Option<BackfillProgress>, BoxError> {
        self.body.backfill_progress(cx).await
    }
}
