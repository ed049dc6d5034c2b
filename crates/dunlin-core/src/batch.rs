//! Transactional migrations, many to a flight.

use std::pin::pin;

use futures_util::future::join;
use tokio_postgres::{Error as PgError, SimpleQueryRow};

use crate::Error;
use crate::flight::{Broken, Flight};
use crate::history_sql::{Recorded, STARTED};
use crate::lock::LockKey;
use crate::plan::Direction;
use crate::run::Run;
use crate::session::{Local, Session};
use crate::sql_migration::SqlScript;
use crate::stumble::{Hook, Stumble};
use crate::task::{Task, Verification};
use crate::transaction_policy::TransactionPolicy;
use crate::verify;

/// Consecutive migrations under way: what is to be sent next, and whose records are in it.
pub(crate) struct Batch<'r, 'a, 'm> {
    run: &'r mut Run<'a>,
    tasks: &'m [Task<'m>],
    pub(crate) flight: Flight<'m>,
    /// The index of the task of each script in the flight.
    scripts: Vec<usize>,
    /// How many tasks were opened, and how many of them are committed.
    opened: usize,
    committed: usize,
    savepoint: String,
    all_or_nothing: bool,
    /// Whether nothing follows these tasks.
    ends_the_run: bool,
    /// Whether a verify script is among the tasks. Its statements are sent behind a flight whose outcome is not known yet:
    /// should that have failed, they find themselves outside of the migration's transaction, and must not write there.
    verifies: bool,
    /// Whether something used the extended protocol, which may leave a statement with the server connection.
    is_extended: bool,
    /// How many statements at the beginning of the flight create the history.
    creates: usize,
    /// The last row that the server has sent.
    last_row: Option<SimpleQueryRow>,
    /// What is recorded in a transaction that is still open.
    uncommitted: Vec<Recorded>,
}

impl<'r, 'a, 'm> Batch<'r, 'a, 'm> {
    pub(crate) fn new(run: &'r mut Run<'a>, tasks: &'m [Task<'m>], ends_the_run: bool) -> Self {
        let savepoint = format!("dunlin_{}", run.name.id);
        let all_or_nothing = run.migrator.rules.transaction == TransactionPolicy::AllOrNothing;
        Self {
            tasks,
            flight: Flight::default(),
            scripts: Vec::new(),
            opened: 0,
            committed: 0,
            savepoint,
            all_or_nothing,
            ends_the_run,
            // Behind a pooler nothing is sent before the flight has come through.
            verifies: !run.session.is_pooled()
                && tasks.iter().any(|task| matches!(task.verification(), Verification::Script(_))),
            is_extended: false,
            creates: 0,
            last_row: None,
            uncommitted: Vec::new(),
            run,
        }
    }

    /// Whether a migration is in it.
    pub(crate) fn has_begun(&self) -> bool {
        self.opened > 0
    }

    /// Whether the run was asked to stop.
    pub(crate) fn is_stopped(&self) -> bool {
        self.run.migrator.stop.is_stopped()
    }

    /// Goes no further than to what stands before this task, which is kept, unless all was to be kept or nothing.
    pub(crate) fn leave_off(&mut self, task: &Task<'_>) -> Result<(), Stumble> {
        self.ends_the_run = false;
        match self.all_or_nothing {
            true => Err(Stumble::Fatal(Error::stopped(Some(task.id().clone())))),
            false => Ok(()),
        }
    }

    pub(crate) fn release(&self) -> String {
        format!("RELEASE SAVEPOINT {}", self.savepoint)
    }

    /// Begins a migration's transaction: nothing that an earlier one has set is left, the lock is held, and a
    /// savepoint will tell whether the migration has ended the transaction.
    pub(crate) fn open(&mut self, task: &Task<'_>, flushed_by_next: bool) {
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
        // The role is reset where a migration ends.
        let reset = if self.opened == 0 { &Session::RESET[..] } else { &Session::RESET_BETWEEN[..] };
        self.flight.push(reset);
        self.flight.push(self.verifies.then_some(Session::READ_ONLY));
        self.flight.push([format!("SELECT {}, {STARTED}", self.run.guard)]);
        self.flight.push(self.run.session.local(&local));
        self.flight.push([format!("SAVEPOINT {}", self.savepoint)]);
        self.opened = self.opened.saturating_add(1);
    }

    pub(crate) fn push_script(&mut self, script: &'m SqlScript) {
        self.scripts.push(self.opened.saturating_sub(1));
        self.flight.push_script(script);
    }

    /// Records a migration and commits it. What the next commit flushes, the next record announces.
    pub(crate) fn close(&mut self, task: &Task<'_>, flushed_by_next: bool) {
        let run = &mut *self.run;
        let mut record = match task.direction() {
            Direction::Up => run.ledger.apply(&run.migrator.sql, &run.name, task.member),
            Direction::Down => run.ledger.revert(&run.migrator.sql, &run.name, task.member),
        };
        record.extend(match flushed_by_next {
            true => run.ledger.unannounce(&run.migrator.sql),
            false => Some(run.ledger.announce(&run.migrator.sql)),
        });
        if run.session.is_pooled() {
            // What a session keeps beyond its transaction would stay with whoever gets the server connection next.
            record.extend(Session::give_back().map(str::to_owned));
            record.extend(std::mem::take(&mut self.is_extended).then(|| "DEALLOCATE ALL".to_owned()));
        }
        self.flight.push(["RESET SESSION AUTHORIZATION", "RESET ROLE"]);
        self.flight.push(run.session.own_local());
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
    pub(crate) async fn send(&mut self) -> Result<(), Stumble> {
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
                    run.tell_end(task.done(recorded.took));
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
            Ok((recorded, last)) => {
                if std::mem::take(&mut self.creates) > 0 {
                    self.run.missing.clear();
                }
                self.uncommitted.extend(recorded);
                self.last_row = last;
                Ok(verified)
            }
            Err(broken) => Err(self.blame(broken, first, &scripts)),
        }
    }

    /// Says what a flight that broke means: which migration has failed, or how far to go without it.
    ///
    /// `first` is the first task that was not committed when the flight was sent, `scripts` the tasks of its scripts.
    fn blame(&self, broken: Broken, first: usize, scripts: &[usize]) -> Stumble {
        let latest = self.opened.saturating_sub(1);
        let placed = broken.segment.and_then(|segment| scripts.get(segment)).copied();
        let failing = if broken.unparsed {
            // Nothing of the flight has run. Without a position, halving finds the script that can't be read.
            let half = (scripts.len() / 2).max(1);
            let unplaced = if scripts.len() > 1 { first.saturating_add(half) } else { latest };
            match placed.unwrap_or(unplaced) {
                before if before > first && !self.all_or_nothing => return Stumble::Unreadable { before },
                failing => failing,
            }
        } else if broken.completed < self.creates {
            return Stumble::Fatal(self.run.not_created(broken.error));
        } else if !self.all_or_nothing {
            // The first that is not committed.
            self.committed.min(latest)
        } else if placed.is_none() && self.opened == self.tasks.len() && is_of_commit(&broken.error) {
            return Stumble::Fatal(Error::database("the COMMIT of the run", broken.error));
        } else {
            placed.unwrap_or(latest)
        };
        match self.tasks.get(failing) {
            Some(task) => Stumble::of_flight(task, broken, &self.savepoint),
            None => Stumble::Fatal(Error::database("the migrations", broken.error)),
        }
    }

    /// Sends what there is and calls the hook, all inside the migration's transaction. One flight of ours.
    pub(crate) async fn code(&mut self, task: &Task<'_>, hook: Hook) -> Result<(), Stumble> {
        self.send().await?;
        self.is_extended = true;
        self.run.call(task, hook).await
    }

    /// Verifies inside the migration's transaction, in a savepoint that is rolled back. One flight.
    pub(crate) async fn verify_script(&mut self, task: &Task<'_>, script: &SqlScript) -> Result<(), Stumble> {
        self.flight.push(Session::RESET_READING);
        self.flight.push([format!("SAVEPOINT {}", self.savepoint)]);
        let answers = if self.run.session.is_pooled() {
            self.send().await?;
            self.is_extended = true;
            self.run.wire.count_flight();
            let answers = verify::ask(self.run.wire.client(), script).await;
            if answers.iter().any(|answer| answer.as_ref().is_err_and(|error| self.run.is_forgotten(error))) {
                let error = "a statement is prepared on another server connection".into();
                return Err(Stumble::Fatal(Error::lost(format!("verifying migration {}", task.id()), error)));
            }
            answers
        } else {
            self.send_and(Some(script)).await?
        };
        Stumble::of_answers(task, script, answers)?;
        self.flight.push([format!("ROLLBACK TO SAVEPOINT {}", self.savepoint)]);
        Ok(())
    }

    pub(crate) async fn verify_code(&mut self, task: &Task<'_>) -> Result<(), Stumble> {
        self.flight.push(Session::RESET_READING);
        self.flight.push([format!("SAVEPOINT {}", self.savepoint)]);
        self.code(task, Hook::Verify).await?;
        self.flight.push([format!("ROLLBACK TO SAVEPOINT {}", self.savepoint)]);
        Ok(())
    }

    /// Commits what is still open, and gives the session back to the library or, at the end of the run, to the caller
    /// and the lock to whoever waits. The server comes to the unlock only if all that stands before it went well.
    pub(crate) async fn finish(mut self) -> Result<(), Stumble> {
        if self.all_or_nothing {
            self.flight.push(["COMMIT"]);
        }
        let is_pooled = self.run.session.is_pooled();
        if is_pooled {
            // Each transaction has left nothing, and the keeper has the lock.
        } else if self.ends_the_run {
            self.flight.push(Session::give_back());
            self.flight.push([self.run.migrator.key.unlock()]);
        } else {
            self.flight.push(Session::RESET);
            self.flight.push([self.run.session.restore(&self.run.guard)]);
        }
        if !self.flight.is_empty() {
            self.send().await?;
        }
        if self.ends_the_run && !is_pooled {
            self.run.released = self.last_row.as_ref().map(LockKey::is_unlocked);
        }
        if self.all_or_nothing {
            for (task, recorded) in self.tasks.iter().zip(std::mem::take(&mut self.uncommitted)) {
                self.run.tell_end(task.done(recorded.took));
            }
        }
        Ok(())
    }
}

/// Whether an error may be that of a COMMIT: a deferred constraint, or a serialization failure.
fn is_of_commit(error: &PgError) -> bool {
    error.code().is_some_and(|code| ["23", "40"].iter().any(|class| code.code().starts_with(class)))
}
