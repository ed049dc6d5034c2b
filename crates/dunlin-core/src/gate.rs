//! Migrations that wait until a backfill is finished.

use std::time::Duration;

use crate::progress::Progress;
use crate::run::Run;
use crate::set::Member;
use crate::stumble::Stumble;
use crate::task::Task;
use crate::{BoxError, Context, Error, Gate, Migrator, Stopped};

/// How often is looked whether others have finished.
const LOOK: Duration = Duration::from_millis(250);

impl Migrator {
    /// What to do when a migration requires a backfill that is not finished; to finish it by default.
    #[must_use]
    pub fn gate(mut self, gate: Gate) -> Self {
        self.gate = gate;
        self
    }
}

impl Run<'_> {
    /// Sees to it that the backfills are finished that a migration requires. Once for each migration of a run.
    pub(crate) async fn pass_gates(&mut self, task: &Task<'_>) -> Result<(), Stumble> {
        if !self.passed.insert(task.member.version()) {
            return Ok(());
        }
        let migrator = self.migrator;
        for required in migrator.set.required_by(task.member).map_err(Stumble::Fatal)? {
            if self.session.is_pooled() {
                return Err(Stumble::Fatal(Error::outside_behind_pooler(required.id().clone())));
            }
            let lost = |error| Stumble::Fatal(Error::database(format!("migration {}", task.id()), error));
            // What it asks and does is the migration's, not the library's.
            let lend = self.session.lend(&self.local(task), &self.guard);
            self.wire.rows(&lend).await.map_err(lost)?;
            let passed = self.pass(task, required).await;
            let is_lost = self.wire.client().check_connection().await.is_err();
            match (passed, is_lost) {
                (Err(error), true) => {
                    return Err(Stumble::Fatal(Error::lost(
                        format!("migration {}", task.id()),
                        error.into(),
                    )));
                }
                (Err(error), false) => return Err(Stumble::Fatal(error)),
                (Ok(()), _) => {}
            }
            self.recover(None).await.map_err(Stumble::Fatal)?;
        }
        Ok(())
    }

    /// Sees to one of them.
    async fn pass(&mut self, task: &Task<'_>, required: &Member) -> Result<(), Error> {
        let migrator = self.migrator;
        let connect = migrator.direct.as_deref().or(self.connect);
        let cx = Context::new(self.wire.client(), required.id(), migrator, connect);
        let failed = |error: BoxError| match Stopped::is_in(&*error) {
            true => Error::stopped(Some(task.id().clone())),
            false => Error::gate_failed(task.id(), required.id(), error),
        };
        let migration = &*required.migration;
        if migration.is_backfilled(&cx).await.map_err(failed)? {
            return Ok(());
        }
        let (id, backfill) = (task.id(), required.id());
        tracing::info!(migration = %id, %backfill, gate = ?migrator.gate, "a backfill has to be finished before");
        migrator.observer.notify(Progress::Gated { id, backfill });
        let refused = |what: &str| {
            let then = "finish it with `Migrator::finish_backfills`, or run with `Gate::Finish`";
            Err(Error::gate(id, backfill, format!("{what}: {then}")))
        };
        match migrator.gate {
            Gate::Finish => migration.backfill(&cx).await.map_err(failed),
            Gate::Refuse => refused("is not finished"),
            Gate::Wait => loop {
                if self.patience.is_zero() {
                    return refused(&format!("nobody has finished within {:.1?}", migrator.deadline));
                }
                let pause = LOOK.min(self.patience);
                migrator.stop.sleep(pause).await;
                migrator.stop.check().map_err(|_| Error::stopped(Some(id.clone())))?;
                self.patience = self.patience.saturating_sub(pause);
                if migration.is_backfilled(&cx).await.map_err(failed)? {
                    return Ok(());
                }
            },
        }
    }
}
