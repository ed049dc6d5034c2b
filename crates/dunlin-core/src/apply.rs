//! Applying a plan: attempt after attempt, as far as it gets.

use std::time::{Duration, Instant};

use tokio_postgres::Error as PgError;
use tokio_postgres::error::SqlState;
use tracing::Instrument as _;

use crate::batch::Batch;
use crate::blocker;
use crate::failure::server_errors;
use crate::history::Record;
use crate::history_sql::Event;
use crate::jitter::Jitter;
use crate::plan::{Direction, Plan};
use crate::progress::Progress;
use crate::report::Done;
use crate::run::Run;
use crate::session::{Local, Session};
use crate::stumble::{Hook, Stumble};
use crate::task::{Task, Verification};
use crate::watch::Watch;
use crate::{Context, Error, ErrorKind, MigrationId, Stopped};

/// The most text that travels in one flight, in bytes. It bounds what the server parses and holds at once.
const FLIGHT_BYTES: usize = 4 << 20;

impl Run<'_> {
    /// Runs the steps of a plan, as far as it gets.
    pub(crate) async fn apply(&mut self, plan: &Plan, records: &[Record]) -> Result<(), Error> {
        let outcome = self.apply_all(plan, records).await;
        self.spans.close(outcome.as_ref().err());
        outcome
    }

    async fn apply_all(&mut self, plan: &Plan, records: &[Record]) -> Result<(), Error> {
        let set = &self.migrator.set;
        let tasks: Vec<_> = plan
            .steps
            .iter()
            .filter_map(|step| Some(Task { step, member: set.find(step.id.version())? }))
            .collect();
        let mut left = tasks.as_slice();
        let mut most = usize::MAX;
        let mut jitter = Jitter::retrying();
        let watch = Watch::of(self.migrator, self.connect, self.session.is_pooled());
        // Only a migration that was blocked once is watched.
        let (mut is_blocked, mut blockers) = (false, Vec::new());
        while let Some(next) = left.first() {
            if self.migrator.stop.is_stopped() {
                return Err(self.stop_before(next.id()).await);
            }
            if !self.migrator.hooks.each.is_empty() {
                most = 1;
                self.begin_each(next.step).await?;
            }
            let (before, began) = (self.report.done.len(), Instant::now());
            let attempt = match watch.filter(|_| is_blocked) {
                Some(watch) => {
                    let (attempt, seen) = watch.blockers(self.attempt(left, &mut most, records)).await;
                    blockers = seen;
                    attempt
                }
                None => self.attempt(left, &mut most, records).await,
            };
            let done = self.report.done.len().saturating_sub(before);
            left = left.get(done..).unwrap_or_default();
            if done > 0 {
                self.end_each(|_| true).await?;
            }
            let Some(task) = left.first() else { return Ok(()) };
            match attempt {
                Ok(()) if done == 0 => return Err(Error::not_recorded(&self.migrator.history, task.id())),
                Ok(()) => {}
                Err(Stumble::Unreadable { before }) => {
                    most = before.saturating_sub(done).max(1);
                    self.recover(None).await?;
                }
                Err(Stumble::Transient { error, code }) => {
                    // What went well on the way is not waiting for others.
                    match done {
                        0 => self.patience = self.patience.saturating_sub(began.elapsed()),
                        _ => jitter = Jitter::retrying(),
                    }
                    is_blocked = true;
                    let pause = jitter.again();
                    if self.patience < pause {
                        let error = error.blocked_by(blockers);
                        if task.is_outside_transaction() {
                            return Err(self.give_up(task, error).await);
                        }
                        self.tell_failure(task.id(), &error).await;
                        return Err(error);
                    }
                    let by = blocker::list(&blockers);
                    tracing::info!(migration = %task.id(), code, ?pause, by, "trying again");
                    let told = Progress::Retrying { id: task.id(), code: &code, pause, blockers: &blockers };
                    self.migrator.observer.notify(told);
                    self.report.retries = self.report.retries.saturating_add(1);
                    self.recover(None).await?;
                    self.migrator.stop.sleep(pause).await;
                    self.patience = self.patience.saturating_sub(pause);
                }
                Err(Stumble::Failed(error)) => {
                    tracing::error!(migration = %task.id(), %error, "migration failed");
                    return Err(error);
                }
                // Without the lock, the history is somebody else's to write; without a connection, nobody's.
                Err(Stumble::Fatal(error))
                    if matches!(
                        error.kind(),
                        ErrorKind::LockLost | ErrorKind::Pooler | ErrorKind::Connection
                    ) =>
                {
                    return Err(error);
                }
                Err(Stumble::Fatal(error)) if error.kind() == ErrorKind::Stopped => {
                    return Err(self.stop_before(task.id()).await);
                }
                Err(Stumble::Fatal(error)) => {
                    self.tell_failure(task.id(), &error).await;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Goes through the next migrations as far as one attempt gets: as many as can travel together, of those `most`.
    async fn attempt(
        &mut self,
        left: &[Task<'_>],
        most: &mut usize,
        records: &[Record],
    ) -> Result<(), Stumble> {
        if let Some(task) = left.first().filter(|task| task.is_gated()) {
            self.pass_gates(task).await?;
        }
        match left.first() {
            Some(task) if task.is_outside_transaction() => {
                self.create_history().await.map_err(Stumble::Fatal)?;
                self.outside_transaction(task, records).await
            }
            _ => {
                let together = left.iter().enumerate().take_while(|(number, task)| {
                    !task.is_outside_transaction() && (*number == 0 || !task.is_gated())
                });
                let together = together.count().min(std::mem::replace(most, usize::MAX));
                let (now, later) = left.split_at_checked(together).unwrap_or((left, &[]));
                self.transactional(now, later).await
            }
        }
    }

    /// Declares the steps of a plan done. One flight.
    pub(crate) async fn stamp(&mut self, plan: &Plan) -> Result<(), Error> {
        let migrator = self.migrator;
        let mut ledger = std::mem::take(&mut self.ledger);
        let mut statements = Vec::new();
        for step in &plan.steps {
            statements.extend(match (step.direction, migrator.set.find(step.id.version())) {
                (Direction::Up, Some(member)) => ledger.stamp(&migrator.sql, &self.name, member),
                _ => ledger.unstamp(&migrator.sql, &self.name, &step.id),
            });
        }
        statements.push(ledger.announce(&migrator.sql));
        self.create_history().await?;
        let stamped = self.own_transaction(&statements).await;
        stamped.map_err(|error| Error::database("stamping the history", error))?;
        self.ledger = ledger;
        let done = |step: &crate::plan::Step| Done {
            id: step.id.clone(),
            direction: step.direction,
            took: Duration::ZERO,
        };
        self.report.done = plan.steps.iter().map(done).collect();
        Ok(())
    }

    /// Runs migrations that each have a transaction, in as few flights as they allow. What was committed is in the
    /// report, however it ends.
    async fn transactional(&mut self, tasks: &[Task<'_>], later: &[Task<'_>]) -> Result<(), Stumble> {
        // Hooks are called before the lock is given back.
        let ends_the_run = later.is_empty() && !self.migrator.hooks.are_there();
        let mut batch = Batch::new(self, tasks, ends_the_run);
        let mut upcoming = tasks.iter().skip(1);
        for task in tasks {
            if batch.has_begun() && batch.is_stopped() {
                batch.leave_off(task)?;
                break;
            }
            let flushed_by_next = upcoming.next().is_some_and(Task::is_plain_sql);
            batch.open(task, flushed_by_next);
            match task.script() {
                Some(script) => batch.push_script(script),
                None => batch.code(task, Hook::of(task.direction())).await?,
            }
            batch.flight.push([batch.release()]);
            match task.verification() {
                Verification::Nothing => {}
                Verification::Script(script) => batch.verify_script(task, script).await?,
                Verification::Code => batch.verify_code(task).await?,
            }
            batch.close(task, flushed_by_next);
            // What a hook has set about how text is read ends with the message that resets it.
            if batch.flight.len() > FLIGHT_BYTES || task.script().is_none() {
                batch.flight.push(Session::RESET_READING);
                batch.send().await?;
            }
        }
        batch.finish().await
    }

    /// Ends what is open, brings the session back, writes `event` if there is one, and reads the history anew.
    pub(crate) async fn recover(&mut self, event: Option<Event<'_>>) -> Result<(), Error> {
        let recovered = self.wire.rows(&self.session.recover(&self.guard)).await;
        recovered.map_err(|error| Error::database("the end of a failed transaction", error))?;
        self.reread().await?;
        self.create_history().await?;
        if let Some(event) = event {
            // A synchronous commit: it flushes what was applied before.
            let announce = self.ledger.announce(&self.migrator.sql);
            let _ = self.own_transaction(&[self.migrator.sql.event(&event, &self.name), announce]).await;
        }
        Ok(())
    }

    /// Ends a run that was asked to stop: what was applied is flushed and announced, and the event log says where it has stopped.
    async fn stop_before(&mut self, id: &MigrationId) -> Error {
        tracing::info!(migration = %id, "asked to stop");
        // A history that is still to be created has nothing to tell.
        if self.missing.is_empty() {
            let event = Event { kind: "stopped", id, code: None, statement: None, detail: None };
            let _ = self.recover(Some(event)).await;
        }
        Error::stopped(Some(id.clone()))
    }

    async fn tell_failure(&mut self, id: &MigrationId, error: &Error) {
        tracing::error!(migration = %id, %error, "migration failed");
        let code = error.code().map(SqlState::code);
        let _ = self.recover(Some(Event { kind: "failed", id, code, statement: None, detail: None })).await;
    }

    pub(crate) fn tell_start(&mut self, task: &Task<'_>) {
        self.spans.open(task);
        self.migrator.observer.notify(Progress::Started { id: task.id(), direction: task.direction() });
    }

    pub(crate) fn tell_end(&mut self, done: Done) {
        let Done { id, direction, took } = &done;
        let _done = self.spans.end(&done).entered();
        tracing::info!(migration = %id, %direction, ?took, "migration done");
        self.migrator.observer.notify(Progress::Finished { id, direction: *direction, took: *took });
        self.report.done.push(done);
    }

    /// The statement timeouts and the path that a migration's own SQL runs with.
    pub(crate) fn local(&self, task: &Task<'_>) -> Local<'_> {
        let migrator = self.migrator;
        let script = task.script();
        let lock_timeout = match script {
            Some(script) => script.lock_timeout,
            None => task.migration().lock_timeout(),
        };
        Local {
            // Zero would be a try without a timeout, which only a script outside a transaction may ask for.
            lock_timeout: lock_timeout
                .filter(|timeout| !timeout.is_zero() || task.is_outside_transaction())
                .unwrap_or(migrator.lock_timeout),
            statement_timeout: script
                .and_then(|script| script.statement_timeout)
                .or(migrator.statement_timeout)
                .unwrap_or_default(),
            search_path: migrator.search_path.as_deref(),
            asynchronous: false,
        }
    }

    /// Calls a hook of a migration that is Rust.
    pub(crate) async fn call(&self, task: &Task<'_>, hook: Hook) -> Result<(), Stumble> {
        let migrator = self.migrator;
        let connect = migrator.direct.as_deref().or(self.connect);
        let cx = Context::new(self.wire.client(), task.id(), migrator, connect);
        let called = async {
            match hook {
                Hook::Up => task.migration().up(&cx).await,
                Hook::Down => task.migration().down(&cx).await,
                Hook::Verify => match task.migration().is_backfilled(&cx).await {
                    Ok(true) => task.migration().verify(&cx).await,
                    // It is verified when what was put off is done.
                    is_put_off => is_put_off.map(drop),
                },
            }
        };
        let Err(error) = called.instrument(self.spans.of(task)).await else { return Ok(()) };
        if Stopped::is_in(&*error) {
            return Err(Stumble::Fatal(Error::stopped(Some(task.id().clone()))));
        }
        // Whatever the hook has made of it, a lost connection is one.
        let is_lost = self.wire.client().check_connection().await.is_err()
            || server_errors(Some(&*error)).any(|error| self.is_forgotten(error));
        Err(match is_lost {
            true => Stumble::Fatal(Error::lost(format!("migration {}", task.id()), error)),
            false => Stumble::of_hook(task, hook, error),
        })
    }

    /// Whether an error says that the driver means a statement that it has prepared for itself, to look types up, on another
    /// server connection of a pooler's. Another connection of the run's own begins anew.
    pub(crate) fn is_forgotten(&self, error: &PgError) -> bool {
        self.session.is_pooled() && error.code() == Some(&SqlState::INVALID_SQL_STATEMENT_NAME)
    }
}
