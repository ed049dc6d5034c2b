use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::{BoxError, Connect, Connection, Direction, Error, MigrationId, Migrator, Plan, RunContext, Step};

/// What is called around each migration of a run; see [`Migrator::around_each`] for what that costs.
///
/// Each hook whose [`before`](Self::before) went well hears exactly one of [`after`](Self::after) and [`failed`](Self::failed). A
/// migration that met a lock, or lost its connection, and is tried again is told of once.
#[async_trait]
pub trait MigrationHook: Send + Sync + 'static {
    /// Called under the migration lock before the migration's transaction begins; outside a transaction, before its first statement
    /// that is not done.
    ///
    /// # Errors
    ///
    /// Any error ends the run before the migration: it is the source of one of kind [`Hook`](crate::ErrorKind::Hook).
    /// [`Stopped`](crate::Stopped) ends it as one that was asked to stop.
    async fn before(&self, cx: &MigrationHookContext<'_>) -> Result<(), BoxError> {
        let _ = cx;
        Ok(())
    }

    /// Called under the lock when the migration is committed and recorded; `took` is how long it took on the server, and
    /// zero where another replica has done it after this one had lost its connection. After that, with nothing left to do, there is no
    /// lock.
    ///
    /// # Errors
    ///
    /// Any error ends the run. The migration stays, and no later run calls this for it.
    async fn after(&self, cx: &MigrationHookContext<'_>, took: Duration) -> Result<(), BoxError> {
        let _ = (cx, took);
        Ok(())
    }

    /// Called when the migration has failed, or the run was asked to stop in it: `error` is what the run ends with. Its transaction
    /// is undone by then; the lock is still held, unless it is what was lost.
    async fn failed(&self, cx: &MigrationHookContext<'_>, error: &Error) {
        let _ = (cx, error);
    }
}

/// What a hook around a migration works with.
#[derive(Clone, Copy)]
pub struct MigrationHookContext<'a> {
    pub(crate) run: RunContext<'a>,
    pub(crate) step: &'a Step,
    pub(crate) number: usize,
}

impl<'a> MigrationHookContext<'a> {
    /// The migration.
    #[must_use]
    pub fn id(&self) -> &'a MigrationId {
        self.step.id()
    }

    /// Up or down.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.step.direction()
    }

    /// Which step of the plan it is, from 1.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    /// How many steps the plan has.
    #[must_use]
    pub fn count(&self) -> usize {
        self.run.plan.steps().len()
    }

    /// What the run does, as it was planned when it began.
    #[must_use]
    pub fn plan(&self) -> &'a Plan {
        self.run.plan
    }

    /// The migrator that runs.
    #[must_use]
    pub fn migrator(&self) -> &'a Migrator {
        self.run.migrator
    }

    /// As [`RunContext::resource`].
    #[must_use]
    pub fn resource<T: Send + Sync + 'static>(&self) -> Option<&'a T> {
        self.run.resource()
    }

    /// As [`RunContext::connector`].
    #[must_use]
    pub fn connector(&self) -> Option<&'a dyn Connect> {
        self.run.connect
    }

    /// As [`RunContext::run_id`].
    #[must_use]
    pub fn run_id(&self) -> &'a str {
        self.run.run_id
    }

    /// As [`RunContext::connect`].
    ///
    /// # Errors
    ///
    /// As [`RunContext::connect`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub async fn connect(&self) -> Result<Connection, Error> {
        self.run.connect().await
    }
}

impl fmt::Debug for MigrationHookContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MigrationHookContext")
            .field("id", self.id())
            .field("run_id", &self.run.run_id)
            .finish_non_exhaustive()
    }
}
