use std::fmt;

use async_trait::async_trait;

use crate::{BoxError, Connect, Connection, Error, Migrator, Plan, Report};

/// What is called around a run that has something to do; see [`Migrator::around_run`].
///
/// Each hook whose [`before`](Self::before) went well hears exactly one of [`after`](Self::after) and [`failed`](Self::failed), on
/// one of all the connections that the run may need; a run that goes on with another connection is the same run. What is dropped
/// or killed hears neither: the next run calls `before` again.
#[async_trait]
pub trait RunHook: Send + Sync + 'static {
    /// Called under the migration lock when the plan is known and not empty and everything that the run
    /// [requires](Migrator::requires) is met, before its first statement.
    ///
    /// # Errors
    ///
    /// Any error ends the run with nothing done: it is the source of one of kind [`Hook`](crate::ErrorKind::Hook).
    /// [`Stopped`](crate::Stopped) ends it as one that was asked to stop.
    async fn before(&self, cx: &RunContext<'_>) -> Result<(), BoxError> {
        let _ = cx;
        Ok(())
    }

    /// Called when all migrations of the run are committed, before the lock is given back. After a lost connection with nothing left
    /// to do there is no lock.
    ///
    /// # Errors
    ///
    /// Any error makes the run one that has failed. What it has applied stays, and no later run calls this for it.
    async fn after(&self, cx: &RunContext<'_>, report: &Report) -> Result<(), BoxError> {
        let _ = (cx, report);
        Ok(())
    }

    /// Called when the run has failed, or was asked to stop: `error` is what it ends with, and its report what was done before. The
    /// transaction is undone by then; the lock is still held, unless it is what was lost.
    async fn failed(&self, cx: &RunContext<'_>, error: &Error) {
        let _ = (cx, error);
    }
}

/// What a hook around a run works with.
#[derive(Clone, Copy)]
pub struct RunContext<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) migrator: &'a Migrator,
    pub(crate) connect: Option<&'a dyn Connect>,
    pub(crate) run_id: &'a str,
}

impl<'a> RunContext<'a> {
    /// What the run does, as it was planned when it began.
    #[must_use]
    pub fn plan(&self) -> &'a Plan {
        self.plan
    }

    /// The migrator that runs.
    #[must_use]
    pub fn migrator(&self) -> &'a Migrator {
        self.migrator
    }

    /// Something of the application's that was given to [`Migrator::resource`], by its type.
    #[must_use]
    pub fn resource<T: Send + Sync + 'static>(&self) -> Option<&'a T> {
        self.migrator.resource_of()
    }

    /// Where the run has its connections from; `None` where it was given a client of the caller's, as by [`Migrator::run`].
    #[must_use]
    pub fn connector(&self) -> Option<&'a dyn Connect> {
        self.connect
    }

    /// The run's name, as in the history, the event log and the span `dunlin.run`.
    #[must_use]
    pub fn run_id(&self) -> &'a str {
        self.run_id
    }

    /// Opens a connection as [`Context::connect`](crate::Context::connect) does: with the [role](Migrator::role) and the
    /// [`search_path`](Migrator::search_path) of migrations, and without timeouts.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) where there is no [`connector`](Self::connector), or a pooler in
    /// transaction mode behind it; and when the server can't be reached.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub async fn connect(&self) -> Result<Connection, Error> {
        match self.connect {
            Some(connect) => self.migrator.open(connect).await,
            None => Err(Error::no_connector_for_hook()),
        }
    }
}

impl fmt::Debug for RunContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunContext").field("run_id", &self.run_id).finish_non_exhaustive()
    }
}

/// When a hook is called that may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HookPoint {
    /// Before the run, or before the migration.
    Before,
    /// After it.
    After,
}

impl fmt::Display for HookPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Before => "before",
            Self::After => "after",
        })
    }
}
