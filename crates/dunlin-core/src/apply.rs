//! Applying a plan: transactional migrations, many to a flight.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::future::join;
use tokio_postgres::Error as PgError;
use tokio_postgres::error::SqlState;

use crate::failure::{Failure, is_transient};
use crate::flight::{Broken, Flight};
use crate::history::Record;
use crate::history_sql::{Event, Recorded, STARTED};
use crate::jitter::Jitter;
use crate::lock::LockKey;
use crate::plan::{Direction, Plan};
use crate::progress::Progress;
use crate::report::Done;
use crate::run::Run;
use crate::session::{Local, OWN_PATH, Session};
use crate::sql_migration::SqlScript;
use crate::task::{Task, Verification};
use crate::transaction_policy::TransactionPolicy;
use crate::verify;
use crate::{BoxError, Context, Error, ErrorKind, MigrationId};

/// The most text that travels in one flight, in bytes. It bounds what the server parses and holds at once.
const FLIGHT_BYTES: usize = 4 << 20;

/// Why an attempt did not come to its end.
pub(crate) enum Stumble {
    /// A second try may go well.
    Transient { error: Error, code: String },
    /// The server could not read the text of the migration that comes after so many others: nothing of the flight ran.
    Unreadable { before: usize },
    /// It is over.
    Fatal(Error),
    /// It is over, and the history says so already.
    Failed(Error),
}

impl Run<'_> {
    /// Runs the steps of a plan, as far as it gets.
    pub(crate) async fn apply(&mut self, plan: &Plan, records: &[Record]) -> Result<(), Error> {
        let set = &self.migrator.set;
        let tasks: Vec<_> = plan
            .steps
            .iter()
            .filter_map(|step| Some(Task { step, member: set.find(step.id.version())? }))
            .collect();
        let mut left = tasks.as_slice();
        let mut most = usize::MAX;
        let mut jitter = Jitter::retrying();
        let mut patience = self.migrator.deadline.saturating_sub(self.report.waited);
        while let Some(task) = left.first() {
            let (before, began) = (self.report.done.len(), Instant::now());
            let attempt = match task.is_outside_transaction() {
                true => match self.create_history().await {
                    Ok(()) => self.outside_transaction(task, records).await,
                    Err(error) => Err(Stumble::Fatal(error)),
                },
                false => {
                    let together = left.iter().take_while(|task| !task.is_outside_transaction());
                    let together = together.count().min(std::mem::replace(&mut most, usize::MAX));
                    self.transactional(left.get(..together).unwrap_or(left)).await
                }
            };
            let done = self.report.done.len().saturating_sub(before);
            left = left.get(done..).unwrap_or_default();
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
                        0 => patience = patience.saturating_sub(began.elapsed()),
                        _ => jitter = Jitter::retrying(),
                    }
                    let pause = jitter.again();
                    if patience < pause {
                        if task.is_outside_transaction() {
                            return Err(self.give_up(task, error).await);
                        }
                        self.tell_failure(task.id(), &error).await;
                        return Err(error);
                    }
                    tracing::info!(migration = %task.id(), code, ?pause, "trying again");
                    self.migrator.observer.notify(Progress::Retrying { id: task.id(), code: &code, pause });
                    self.report.retries = self.report.retries.saturating_add(1);
                    self.recover(None).await?;
                    tokio::time::sleep(pause).await;
                    patience = patience.saturating_sub(pause);
                }
                Err(Stumble::Failed(error)) => {
                    tracing::error!(migration = %task.id(), %error, "migration failed");
                    return Err(error);
                }
                // Without the lock, the history is somebody else's to write.
                Err(Stumble::Fatal(error)) if error.kind() == ErrorKind::LockLost => return Err(error),
                Err(Stumble::Fatal(error)) => {
                    self.tell_failure(task.id(), &error).await;
                    return Err(error);
                }
            }
        }
        Ok(())
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
    async fn transactional(&mut self, tasks: &[Task<'_>]) -> Result<(), Stumble> {
        let mut batch = Batch::new(self, tasks);
        let mut upcoming = tasks.iter().skip(1);
        for task in tasks {
            let flushed_by_next = upcoming.next().is_some_and(Task::is_plain_sql);
            batch.open(task, flushed_by_next);
            match task.script() {
                Some(script) => batch.push_script(script),
                None => batch.code(task, Hook::of(task.direction())).await?,
            }
            batch.flight.push([batch.release()]);
            batch.flight.push(Session::RESET_READING);
            match task.verification() {
                Verification::Nothing => {}
                Verification::Script(script) => batch.verify_script(task, script).await?,
                Verification::Code => batch.verify_code(task).await?,
            }
            batch.close(task, flushed_by_next);
            // What a hook has set about how text is read ends with the message that resets it.
            if batch.flight.len() > FLIGHT_BYTES || task.script().is_none() {
                batch.send().await?;
            }
        }
        batch.finish().await
    }

    /// Ends what is open, brings the session back, writes `event` if there is one, and reads the history anew.
    pub(crate) async fn recover(&mut self, event: Option<Event<'_>>) -> Result<(), Error> {
        let recovered = self.wire.rows(&self.session.recover()).await;
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

    async fn tell_failure(&mut self, id: &MigrationId, error: &Error) {
        tracing::error!(migration = %id, %error, "migration failed");
        let code = error.code().map(SqlState::code);
        let _ = self.recover(Some(Event { kind: "failed", id, code, statement: None })).await;
    }

    pub(crate) fn tell_start(&self, task: &Task<'_>) {
        self.migrator.observer.notify(Progress::Started { id: task.id(), direction: task.direction() });
    }

    pub(crate) fn tell_end(&mut self, task: &Task<'_>, took: Duration) {
        let (id, direction) = (task.id(), task.direction());
        tracing::info!(migration = %id, %direction, ?took, "migration done");
        self.migrator.observer.notify(Progress::Finished { id, direction, took });
        self.report.done.push(Done { id: id.clone(), direction, took });
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
    pub(crate) async fn call(&self, task: &Task<'_>, hook: Hook) -> Result<(), BoxError> {
        let migrator = self.migrator;
        let cx = Context::new(self.wire.client(), task.id(), &migrator.resources, &migrator.observer);
        match hook {
            Hook::Up => task.migration().up(&cx).await,
            Hook::Down => task.migration().down(&cx).await,
            Hook::Verify => task.migration().verify(&cx).await,
        }
    }
}

/// Which hook of a migration.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hook {
    Up,
    Down,
    Verify,
}

impl Hook {
    pub(crate) fn of(direction: Direction) -> Self {
        match direction {
            Direction::Up => Self::Up,
            Direction::Down => Self::Down,
        }
    }
}

/// Consecutive migrations under way: what is to be sent next, and whose records are in it.
struct Batch<'r, 'a, 'm> {
    run: &'r mut Run<'a>,
    tasks: &'m [Task<'m>],
    flight: Flight<'m>,
    /// The index of the task of each script in the flight.
    scripts: Vec<usize>,
    /// How many tasks were opened, and how many of them are committed.
    opened: usize,
    committed: usize,
    savepoint: String,
    all_or_nothing: bool,
    /// Whether a verify script is among the tasks. Its statements are sent behind a flight whose outcome is not known yet:
    /// should that have failed, they find themselves outside of the migration's transaction, and must not write there.
    verifies: bool,
    /// How many statements at the beginning of the flight create the history.
    creates: usize,
    /// What is recorded in a transaction that is still open.
    uncommitted: Vec<Recorded>,
}

impl<'r, 'a, 'm> Batch<'r, 'a, 'm> {
    fn new(run: &'r mut Run<'a>, tasks: &'m [Task<'m>]) -> Self {
        let savepoint = format!("dunlin_{}", run.name.id);
        let all_or_nothing = run.migrator.rules.transaction == TransactionPolicy::AllOrNothing;
        Self {
            run,
            tasks,
            flight: Flight::default(),
            scripts: Vec::new(),
            opened: 0,
            committed: 0,
            savepoint,
            all_or_nothing,
            verifies: tasks.iter().any(|task| matches!(task.verification(), Verification::Script(_))),
            creates: 0,
            uncommitted: Vec::new(),
        }
    }

    fn release(&self) -> String {
        format!("RELEASE SAVEPOINT {}", self.savepoint)
    }

    /// Begins a migration's transaction: nothing that an earlier one has set is left, the lock is held, and a
    /// savepoint will tell whether the migration has ended the transaction.
    fn open(&mut self, task: &Task<'_>, flushed_by_next: bool) {
        self.run.tell_start(task);
        if self.opened == 0 && !self.run.missing.is_empty() {
            let create = self.run.in_own_transaction(&self.run.missing);
            self.creates = create.len();
            self.flight.push(create);
        }
        if !self.all_or_nothing || self.opened == 0 {
            self.flight.push(["BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"]);
        }
        let asynchronous = flushed_by_next && !self.all_or_nothing;
        let local = Local { asynchronous, ..self.run.local(task) };
        self.flight.push(Session::RESET);
        self.flight.push(self.verifies.then_some(Session::READ_ONLY));
        self.flight.push([format!("SELECT {}, {STARTED}", self.run.migrator.key.guard())]);
        self.flight.push(self.run.session.local(&local));
        self.flight.push([format!("SAVEPOINT {}", self.savepoint)]);
        self.opened = self.opened.saturating_add(1);
    }

    fn push_script(&mut self, script: &'m SqlScript) {
        self.scripts.push(self.opened.saturating_sub(1));
        self.flight.push_script(script);
    }

    /// Records a migration and commits it. What the next commit flushes, the next record announces.
    fn close(&mut self, task: &Task<'_>, flushed_by_next: bool) {
        let run = &mut *self.run;
        let mut record = match task.direction() {
            Direction::Up => run.ledger.apply(&run.migrator.sql, &run.name, task.member),
            Direction::Down => run.ledger.revert(&run.migrator.sql, &run.name, task.member),
        };
        record.extend(match flushed_by_next {
            true => run.ledger.unannounce(&run.migrator.sql),
            false => Some(run.ledger.announce(&run.migrator.sql)),
        });
        self.flight.push([
            "RESET SESSION AUTHORIZATION".to_owned(),
            "RESET ROLE".to_owned(),
            format!("SET LOCAL search_path = {OWN_PATH}"),
        ]);
        if !flushed_by_next {
            // Whatever the script has set.
            self.flight.push(["SET LOCAL synchronous_commit TO DEFAULT"]);
        }
        if self.all_or_nothing {
            self.flight.push(record);
        } else {
            self.flight.push_record(record);
        }
    }

    /// Sends what there is. One flight.
    async fn send(&mut self) -> Result<(), Stumble> {
        self.send_and(None).await.map(drop)
    }

    async fn send_and(&mut self, script: Option<&SqlScript>) -> Result<verify::Answers, Stumble> {
        let flight = std::mem::take(&mut self.flight);
        let scripts = std::mem::take(&mut self.scripts);
        let (first, tasks) = (self.committed, self.tasks);
        let run_id = self.run.name.id.clone();
        let client = self.run.wire.client();
        self.run.wire.count_flight();
        let lost = |error| Stumble::Fatal(Error::database("the migrations", error));
        if script.is_some() {
            // A message of its own: it holds even when the server can't read the next one.
            let _ = client.simple_query_raw(Session::READ_ONLY).await.map_err(lost)?;
        }
        let mut answers = pin!(client.simple_query_raw(flight.sql()).await.map_err(lost)?);
        let (outcome, verified) = {
            let (run, committed) = (&mut *self.run, &mut self.committed);
            let on_commit = |recorded: Recorded| {
                if let Some(task) = tasks.get(*committed) {
                    run.tell_end(task, recorded.took);
                }
                *committed = committed.saturating_add(1);
            };
            let ask = async {
                match script {
                    Some(script) => verify::ask(client, script).await,
                    None => Vec::new(),
                }
            };
            join(flight.answers(answers.as_mut(), &run_id, on_commit), ask).await
        };
        match outcome {
            Ok(recorded) => {
                if std::mem::take(&mut self.creates) > 0 {
                    self.run.missing.clear();
                }
                self.uncommitted.extend(recorded);
                Ok(verified)
            }
            Err(broken) => {
                if !broken.unparsed && broken.completed < self.creates {
                    return Err(Stumble::Fatal(self.run.not_created(broken.error)));
                }
                let placed = broken.segment.and_then(|segment| scripts.get(segment)).copied();
                let latest = self.opened.saturating_sub(1);
                if broken.unparsed && !self.all_or_nothing {
                    // Without a position, halving finds it.
                    let half = (scripts.len() / 2).max(1);
                    let next = if scripts.len() > 1 { first.saturating_add(half) } else { latest };
                    let before = placed.unwrap_or(next);
                    if before > first {
                        return Err(Stumble::Unreadable { before });
                    }
                }
                if self.all_or_nothing && !broken.unparsed && placed.is_none() && self.opened == tasks.len() {
                    return Err(Stumble::Fatal(Error::database("the COMMIT of the run", broken.error)));
                }
                // What is first in line and not committed has failed; in one transaction, the position tells.
                let failing = match self.all_or_nothing || broken.unparsed {
                    true => placed.unwrap_or(latest),
                    false => self.committed.min(latest),
                };
                Err(match tasks.get(failing) {
                    Some(task) => stumble(task, broken, &self.savepoint),
                    None => lost(broken.error),
                })
            }
        }
    }

    /// Sends what there is and calls the hook, all inside the migration's transaction. One flight of ours.
    async fn code(&mut self, task: &Task<'_>, hook: Hook) -> Result<(), Stumble> {
        self.send().await?;
        self.run.call(task, hook).await.map_err(|error| code_stumble(task, hook, error))
    }

    /// Verifies inside the migration's transaction, in a savepoint that is rolled back. One flight.
    async fn verify_script(&mut self, task: &Task<'_>, script: &SqlScript) -> Result<(), Stumble> {
        self.flight.push([format!("SAVEPOINT {}", self.savepoint)]);
        let answers = self.send_and(Some(script)).await?;
        judged(task, script, answers)?;
        self.flight.push([format!("ROLLBACK TO SAVEPOINT {}", self.savepoint)]);
        Ok(())
    }

    async fn verify_code(&mut self, task: &Task<'_>) -> Result<(), Stumble> {
        self.flight.push([format!("SAVEPOINT {}", self.savepoint)]);
        self.code(task, Hook::Verify).await?;
        self.flight.push([format!("ROLLBACK TO SAVEPOINT {}", self.savepoint)]);
        Ok(())
    }

    /// Commits what is still open and gives the session back to the library.
    async fn finish(mut self) -> Result<(), Stumble> {
        if self.all_or_nothing {
            self.flight.push(["COMMIT"]);
        }
        self.flight.push(Session::RESET);
        self.flight.push([self.run.session.restore()]);
        self.send().await?;
        if self.all_or_nothing {
            for (task, recorded) in self.tasks.iter().zip(std::mem::take(&mut self.uncommitted)) {
                self.run.tell_end(task, recorded.took);
            }
        }
        Ok(())
    }
}

/// What the answers to a verify script mean.
pub(crate) fn judged(task: &Task<'_>, script: &SqlScript, answers: verify::Answers) -> Result<(), Stumble> {
    let transient = |error: &PgError| error.as_db_error().is_some_and(is_transient);
    let errors = answers.iter().filter_map(|answer| answer.as_ref().err());
    let code = errors.into_iter().find(|error| transient(error)).and_then(PgError::code).cloned();
    verify::judge(task.id(), script, answers).map_err(|error| match code {
        Some(code) => Stumble::Transient { error, code: code.code().to_owned() },
        None => Stumble::Fatal(error),
    })
}

/// What an error in a flight means for the migration that it belongs to.
fn stumble(task: &Task<'_>, broken: Broken, savepoint: &str) -> Stumble {
    let Broken { error, location, .. } = broken;
    let (id, direction) = (task.id().clone(), task.direction());
    let Some(failure) = Failure::of(&error) else {
        return Stumble::Fatal(Error::database(format!("migration {id} ran"), error));
    };
    if LockKey::is_lost(&error) {
        return Stumble::Fatal(Error::lock_lost());
    }
    let gone = [SqlState::S_E_INVALID_SPECIFICATION, SqlState::NO_ACTIVE_SQL_TRANSACTION];
    let of_ours = error.as_db_error().is_some_and(|error| {
        error.message().contains(savepoint) || error.message().starts_with("RELEASE SAVEPOINT")
    });
    if location.is_none() && of_ours && error.code().is_some_and(|code| gone.contains(code)) {
        return Stumble::Fatal(Error::transaction_ended(id, direction, None));
    }
    let transient = error.as_db_error().is_some_and(is_transient);
    let code = error.code().map(|code| code.code().to_owned()).unwrap_or_default();
    let error = Error::migration_failed(id, direction, location, failure);
    if transient { Stumble::Transient { error, code } } else { Stumble::Fatal(error) }
}

/// What an error of a hook means.
pub(crate) fn code_stumble(task: &Task<'_>, hook: Hook, error: BoxError) -> Stumble {
    let transient = {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&*error);
        std::iter::from_fn(|| {
            let this = cause?;
            cause = this.source();
            Some(this)
        })
        .filter_map(|cause| cause.downcast_ref::<PgError>())
        .filter_map(PgError::as_db_error)
        .find(|error| is_transient(error))
        .map(|error| error.code().code().to_owned())
    };
    let id = task.id().clone();
    let error = match hook {
        Hook::Verify => Error::verify_code(id, error),
        Hook::Up | Hook::Down => Error::code_failed(id, task.direction(), error),
    };
    match transient {
        Some(code) => Stumble::Transient { error, code },
        None => Stumble::Fatal(error),
    }
}
