//! What is called around a run, and what is asked before it.

use std::fmt;
use std::sync::Arc;

use crate::{MigrationHook, Migrator, Requirement, RunHook};

/// Everything that a migrator calls and asks, in the order in which it was named.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    pub(crate) run: Vec<Arc<dyn RunHook>>,
    pub(crate) each: Vec<Arc<dyn MigrationHook>>,
    pub(crate) requirements: Vec<Arc<dyn Requirement>>,
}

impl Hooks {
    /// Whether something is called when migrations are done: the lock is kept until then.
    pub(crate) fn are_there(&self) -> bool {
        !self.run.is_empty() || !self.each.is_empty()
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("run", &self.run.len())
            .field("each", &self.each.len())
            .field("requirements", &self.requirements.len())
            .finish()
    }
}

/// What is called around a run, and what it requires: each method takes the migrator and gives it back.
impl Migrator {
    /// Has a hook called around each run that has something to do, beside those that were named before: for a backup before the
    /// first pending migration, for maintenance mode, for a notification.
    ///
    /// [`RunHook::before`] of all hooks is called in the order in which they were named, [`RunHook::after`] and
    /// [`RunHook::failed`] the other way round. The migration lock is held until the last one has come back, so one replica of
    /// several calls them, and the others wait for as long as their
    /// [`deadline`](Self::deadline) lets them. It is given back in a flight of its own, which is what a hook costs. A run that finds nothing to do
    /// calls nothing and costs one flight as ever. [`stamp`](Self::stamp) runs nothing and calls nothing.
    ///
    /// ```no_run
    /// # async fn boot(set: dunlin_core::MigrationSet, config: tokio_postgres::Config) -> Result<(), dunlin_core::Error> {
    /// use dunlin_core::{BoxError, Migrator, Report, RunContext, RunHook};
    ///
    /// struct Maintenance;
    ///
    /// #[async_trait::async_trait]
    /// impl RunHook for Maintenance {
    ///     async fn before(&self, cx: &RunContext<'_>) -> Result<(), BoxError> {
    ///         let client = cx.connect().await?;
    ///         client.batch_execute("UPDATE app.switches SET is_on = true WHERE name = 'maintenance'").await?;
    ///         Ok(())
    ///     }
    ///
    ///     async fn after(&self, cx: &RunContext<'_>, _: &Report) -> Result<(), BoxError> {
    ///         let client = cx.connect().await?;
    ///         client.batch_execute("UPDATE app.switches SET is_on = false WHERE name = 'maintenance'").await?;
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let migrator = Migrator::new(set).around_run(Maintenance);
    /// dunlin_core::migrate(&config, tokio_postgres::NoTls, &migrator).await?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn around_run(mut self, hook: impl RunHook) -> Self {
        self.hooks.run.push(Arc::new(hook));
        self
    }

    /// Has a hook called around each migration, beside those that were named before; in order before it, the other way round
    /// after it.
    ///
    /// With such a hook each migration travels to the server by itself: a flight and a commit that waits for the disk for each,
    /// and one flight more that gives the lock back. Without one nothing changes. With
    /// [`TransactionPolicy::AllOrNothing`](crate::TransactionPolicy::AllOrNothing) there is no moment between two migrations at
    /// which the first is committed, so a plan with both is refused before its first statement.
    #[must_use]
    pub fn around_each(mut self, hook: impl MigrationHook) -> Self {
        self.hooks.each.push(Arc::new(hook));
        self.rules.around_each = AroundEach::Called;
        self
    }

    /// Says what has to be true before a run begins, beside what was said before.
    ///
    /// When there is something to do, all requirements are looked at under the lock, before any hook and the first statement, and
    /// all that are not met are told in one error of kind [`Requirement`](crate::ErrorKind::Requirement). Where there is nothing
    /// to do nothing is asked. Ready-made ones are in [`requirement`](crate::requirement).
    ///
    /// ```
    /// # fn f(set: dunlin_core::MigrationSet) -> dunlin_core::Migrator {
    /// use dunlin_core::Migrator;
    /// use dunlin_core::requirement::{Extension, FreeConnections, Privilege, ServerVersion};
    ///
    /// Migrator::new(set)
    ///     .requires(ServerVersion::at_least(15))
    ///     .requires(Extension::available("pg_trgm"))
    ///     .requires(Privilege::create_on_database())
    ///     .requires(FreeConnections::at_least(4))
    /// # }
    /// ```
    #[must_use]
    pub fn requires(mut self, requirement: impl Requirement) -> Self {
        self.hooks.requirements.push(Arc::new(requirement));
        self
    }

    /// Calls no hooks: takes back [`around_run`](Self::around_run) and [`around_each`](Self::around_each). What is
    /// [required](Self::requires) stays.
    ///
    /// It is for a service's own migrator on a database that is not the service's own, as of a test.
    #[must_use]
    pub fn without_hooks(mut self) -> Self {
        self.hooks.run.clear();
        self.hooks.each.clear();
        self.rules.around_each = AroundEach::default();
        self
    }
}

/// Whether hooks are called between migrations, as far as planning has to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum AroundEach {
    #[default]
    Nothing,
    Called,
}
