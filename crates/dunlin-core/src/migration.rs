use std::time::Duration;

use async_trait::async_trait;
pub use dunlin_script::TransactionMode;

use crate::{BackfillProgress, Checksum, Context, MigrationId, SqlMigration};

/// What a hook of a migration may fail with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// One step of a schema's history: how to get there, how to get back, how to see that it worked.
///
/// SQL files become [`SqlMigration`]s and `.rs` files implement the shorter [`RustMigration`](crate::RustMigration);
/// this trait is what both are to the planner and the runner, and what a library implements whose migrations come
/// from somewhere else. Everything that planning must know is data ([`checksum`](Self::checksum),
/// [`transaction`](Self::transaction), [`is_reversible`](Self::is_reversible)); the hooks run later.
///
/// The runner owns the transaction: with [`TransactionMode::PerMigration`] each hook runs inside one, and a hook
/// can't open or end one by type, as [`Context::client`] is shared.
#[async_trait]
pub trait Migration: Send + Sync + 'static {
    /// Version and name.
    fn id(&self) -> &MigrationId;

    /// What [`up`](Self::up) says, to notice that it was edited after it was applied.
    fn checksum(&self) -> Checksum;

    /// Whether `up` runs inside a transaction. Asked while planning.
    fn transaction(&self) -> TransactionMode {
        TransactionMode::PerMigration
    }

    /// Whether `down` can undo `up`. Asked while planning.
    fn is_reversible(&self) -> bool;

    /// How long a statement may wait for a table's lock, where the migration wants another bound than the
    /// migrator's.
    fn lock_timeout(&self) -> Option<Duration> {
        None
    }

    /// Applies the migration.
    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError>;

    /// Undoes what `up` did.
    async fn down(&self, cx: &Context<'_>) -> Result<(), BoxError>;

    /// Checks that `up` did what it should. What it writes is rolled back.
    async fn verify(&self, cx: &Context<'_>) -> Result<(), BoxError>;

    /// The names of earlier migrations whose backfills have to be finished before `up`: what happens when one is not says the
    /// migrator's [gate](crate::Migrator::gate). Asked while planning.
    fn required_backfills(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Whether `up` may put work off, which [`backfill`](Self::backfill) does after it.
    fn is_backfill(&self) -> bool {
        false
    }

    /// Whether nothing is left of what `up` has put off. Until then it is not verified.
    async fn is_backfilled(&self, cx: &Context<'_>) -> Result<bool, BoxError> {
        let _ = cx;
        Ok(true)
    }

    /// Does what `up` has put off, and verifies it. Called outside a transaction, by any number of processes at once.
    async fn backfill(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        let _ = cx;
        Ok(())
    }

    /// How far what `up` has put off is, as far as it is written down. It is for people, and changes nothing.
    async fn backfill_progress(&self, cx: &Context<'_>) -> Result<Option<BackfillProgress>, BoxError> {
        let _ = cx;
        Ok(None)
    }

    /// The migration as plain SQL, when it is nothing else: the runner then sends it together with its
    /// neighbours, and the hooks above are not called.
    fn as_sql(&self) -> Option<&SqlMigration> {
        None
    }
}
