//! Migrations outside a transaction: one statement at a time, each journaled.

use std::time::Duration;

use dunlin_script::{ConcurrentIndex, IndexCommand, Statement, StatementKind};
use tokio_postgres::Error as PgError;
use tokio_postgres::error::SqlState;

use crate::concurrent_index;
use crate::failure::{Failure, is_transient};
use crate::flight::location;
use crate::history::{Record, RecordState};
use crate::history_sql::{Event, Recorded};
use crate::journal::Journal;
use crate::lock::OPEN;
use crate::plan::Direction;
use crate::run::Run;
use crate::session::Session;
use crate::stumble::{Hook, Stumble};
use crate::task::{Task, Verification};
use crate::verify;
use crate::wire::{flag, text};
use crate::{BoxError, Error, ErrorKind};

impl Run<'_> {
    /// Runs a migration outside a transaction, from the first statement that is not done.
    pub(crate) async fn outside_transaction(
        &mut self,
        task: &Task<'_>,
        records: &[Record],
    ) -> Result<(), Stumble> {
        self.tell_start(task);
        let journal = task.journal();
        let mut done = self.begin_journal(task, &journal).await?;
        // Whether an earlier run may have finished the next statement without being able to say so.
        let mut uncertain = records.iter().any(|record| {
            record.version() == task.member.version()
                && record.statements_done == done
                && matches!(record.state, RecordState::Running | RecordState::Reverting)
        });
        self.lend_session(task, &journal, done).await.map_err(|error| self.broken_off(task, error))?;
        if task.script().is_none() {
            let hook = Hook::of(task.direction());
            let outcome = match self.call(task, hook).await {
                Ok(()) => {
                    let left = self.left_no_transaction().await;
                    left.map_err(|error| Stumble::of_hook(task, hook, error))
                }
                Err(stumble) => Err(stumble),
            };
            if let Err(stumble) = outcome {
                return Err(self.failed(task, stumble, &journal, 0).await);
            }
        }
        for statement in journal.statements().iter().skip(done) {
            let journaled = match self.with_its_record(task, &journal, statement, done).await {
                Ok(true) => Ok(true),
                Ok(false) => self.one_statement(task, &journal, statement, uncertain).await.map(|()| false),
                Err(stumble) => Err(stumble),
            };
            match journaled {
                Err(stumble) => return Err(self.failed(task, stumble, &journal, done).await),
                Ok(true) => {}
                Ok(false) => {
                    let recorded = self.journal(task, &journal, done.saturating_add(1)).await;
                    recorded.map_err(|error| self.broken_off(task, error))?;
                }
            }
            uncertain = false;
            done = done.saturating_add(1);
        }
        let verified = self.verify_outside(task).await;
        if let Err(stumble) = verified {
            return Err(self.failed(task, stumble, &journal, done).await);
        }
        self.end_journal(task).await
    }

    /// Refuses a hook that has left a transaction open: whatever ends it later, what was done in it would be lost.
    async fn left_no_transaction(&self) -> Result<(), BoxError> {
        match self.wire.rows(&format!("SELECT {OPEN}")).await?.first().is_some_and(|row| flag(row, "open")) {
            true => Err("it has left a transaction open: commit it".into()),
            false => Ok(()),
        }
    }

    /// Writes the row that says that the migration runs; returns how many statements are done.
    async fn begin_journal(&mut self, task: &Task<'_>, journal: &Journal<'_>) -> Result<usize, Stumble> {
        let version = task.member.version();
        let state = Self::state_of(task);
        let done = self.ledger.progress(version, task.direction());
        let sql = &self.migrator.sql;
        let mut statements = self.ledger.start(sql, &self.name, task.member);
        statements.push(sql.advance(version, state, done, &journal.digest(done).to_string()));
        self.ledger.advance(version, state, done);
        statements.push(self.ledger.announce(sql));
        let began = self.own_transaction(&statements).await;
        began.map_err(|error| self.broken_off(task, error)).map(|_| done)
    }

    async fn journal(&mut self, task: &Task<'_>, journal: &Journal<'_>, done: usize) -> Result<(), PgError> {
        let advance = self.advance(task, journal, done);
        self.own_transaction(&[advance]).await.map(drop)
    }

    /// The statement that says that so many statements are done.
    fn advance(&mut self, task: &Task<'_>, journal: &Journal<'_>, done: usize) -> String {
        let (version, state) = (task.member.version(), Self::state_of(task));
        self.ledger.advance(version, state, done);
        self.migrator.sql.advance(version, state, done, &journal.digest(done).to_string())
    }

    /// Runs a statement that can share the transaction of its record, so that a crash repeats neither. False when it can't,
    /// and nothing has been done. One flight.
    async fn with_its_record(
        &mut self,
        task: &Task<'_>,
        journal: &Journal<'_>,
        statement: &Statement,
        done: usize,
    ) -> Result<bool, Stumble> {
        let sql = journal.text(statement.range());
        let first = sql.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        // What a block or a procedure does about transactions can't be seen from outside.
        if *statement.kind() != StatementKind::Plain || ["CALL", "DO"].contains(&first.as_str()) {
            return Ok(false);
        }
        let before = format!("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT {};\n", self.guard);
        let advance = self.advance(task, journal, done.saturating_add(1));
        let message = format!("{before}{sql}\n; {}; {advance}; COMMIT", self.session.own().join("; "));
        match self.wire.rows(&message).await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some(&SqlState::ACTIVE_SQL_TRANSACTION) => {
                let back = self.wire.rows("ROLLBACK").await;
                back.map(|_| false).map_err(|error| self.broken_off(task, error))
            }
            Err(error) => Err(self.statement_failed(task, statement, error, before.chars().count())),
        }
    }

    /// Records that the migration has come to its end.
    async fn end_journal(&mut self, task: &Task<'_>) -> Result<(), Stumble> {
        let sql = &self.migrator.sql;
        let mut statements = match task.direction() {
            Direction::Up => self.ledger.finish(sql, &self.name, task.member),
            Direction::Down => self.ledger.revert(sql, &self.name, task.member),
        };
        statements.push(self.ledger.announce(sql));
        let message = format!(
            "{}; {}",
            self.in_own_transaction(&statements).join("; "),
            self.session.take_back(&self.guard)
        );
        let rows = self.wire.rows(&message).await.map_err(|error| self.broken_off(task, error))?;
        if let Some(recorded) = rows.iter().find_map(|row| Recorded::of(row, &self.name.id)) {
            self.tell_end(task.done(recorded.took));
        }
        Ok(())
    }

    /// Runs one statement, with what concurrent index commands need before and after.
    async fn one_statement(
        &self,
        task: &Task<'_>,
        journal: &Journal<'_>,
        statement: &Statement,
        uncertain: bool,
    ) -> Result<(), Stumble> {
        let sql = journal.text(statement.range());
        let index = match statement.kind() {
            StatementKind::ConcurrentIndex(index) => Some(index),
            _ => None,
        };
        let lost = |error| self.broken_off(task, error);
        if let Some(index) = index {
            // It waits for every transaction that is older, however long that takes, and blocks nobody meanwhile.
            // Interrupted, it leaves an invalid index: only the file itself bounds how long it runs.
            let timeout = task.script().and_then(|script| script.statement_timeout).unwrap_or_default();
            self.wire.rows(&Session::set_timeouts(Duration::ZERO, timeout)).await.map_err(lost)?;
            match self.look_up(index).await.map_err(lost)? {
                Some(found) if !found.valid && matches!(index.command(), IndexCommand::Create { .. }) => {
                    tracing::warn!(
                        index = found.name,
                        "dropping an invalid index that an earlier try has left"
                    );
                    self.wire.rows(&concurrent_index::drop(&found.name)).await.map_err(lost)?;
                }
                Some(found) if uncertain && is_built_by(index, &found) => return Ok(()),
                None if uncertain && matches!(index.command(), IndexCommand::Drop { .. }) => return Ok(()),
                _ => {}
            }
        }
        let Err(error) = self.wire.rows(sql).await else {
            if index.is_some() {
                let local = self.local(task);
                let timeouts = Session::set_timeouts(local.lock_timeout, local.statement_timeout);
                self.wire.rows(&timeouts).await.map_err(lost)?;
            }
            return Ok(());
        };
        if let Some(index) = index
            && matches!(index.command(), IndexCommand::Create { .. })
            && let Ok(Some(found)) = self.look_up(index).await
            && !found.valid
        {
            // An invalid unique index rejects writes: it goes now, not with the next deploy.
            let _ = self.wire.rows(&Session::set_timeouts(Duration::ZERO, Duration::ZERO)).await;
            let _ = self.wire.rows(&concurrent_index::drop(&found.name)).await;
        }
        Err(self.statement_failed(task, statement, error, 0))
    }

    /// What an error of a statement means that stands behind so many characters of its message.
    fn statement_failed(
        &self,
        task: &Task<'_>,
        statement: &Statement,
        error: PgError,
        offset: usize,
    ) -> Stumble {
        let transient = error.as_db_error().is_some_and(is_transient);
        let code = error.code().map(|code| code.code().to_owned()).unwrap_or_default();
        let Some(failure) = Failure::of(&error) else { return self.broken_off(task, error) };
        if let Some(error) = Error::of_lock(&error) {
            return Stumble::Fatal(error);
        }
        let place = task.script().map(|script| {
            // The server counts in characters of the message.
            let before = script.text.get(..statement.range().start).map_or(0, |text| text.chars().count());
            let within = error.as_db_error().and_then(crate::failure::position).unwrap_or(0);
            let number = u32::try_from(before.saturating_add(within.saturating_sub(offset).max(1)));
            location(script, dunlin_script::Position::of_char(&script.text, number.unwrap_or(u32::MAX)))
        });
        let error = Error::migration_failed(task.id().clone(), task.direction(), place, failure);
        if transient { Stumble::Transient { error, code } } else { Stumble::Fatal(error) }
    }

    async fn look_up(&self, index: &ConcurrentIndex) -> Result<Option<Found>, PgError> {
        let Some(sql) = concurrent_index::look_up(index) else { return Ok(None) };
        let rows = self.wire.rows(&sql).await?;
        Ok(rows.first().and_then(|row| {
            Some(Found {
                name: text(row, "name")?.to_owned(),
                valid: flag(row, "valid"),
                unique: flag(row, "is_unique"),
            })
        }))
    }

    /// Gives the session to the migration, with what its statements that are done have set it to.
    async fn lend_session(&self, task: &Task<'_>, journal: &Journal<'_>, done: usize) -> Result<(), PgError> {
        self.wire.rows(&self.session.lend(&self.local(task), &self.guard)).await?;
        for statement in journal.statements().iter().take(done) {
            if *statement.kind() == StatementKind::Setting {
                self.wire.rows(journal.text(statement.range())).await?;
            }
        }
        Ok(())
    }

    /// Verifies in a transaction that is rolled back.
    async fn verify_outside(&self, task: &Task<'_>) -> Result<(), Stumble> {
        let lost = |error| self.broken_off(task, error);
        let verification = task.verification();
        if let Verification::Nothing = verification {
            return Ok(());
        }
        self.wire.rows(&self.session.lend(&self.local(task), &self.guard)).await.map_err(lost)?;
        self.wire.rows("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE").await.map_err(lost)?;
        match verification {
            Verification::Nothing => {}
            Verification::Script(script) => {
                self.wire.count_flight();
                let answers = verify::ask(self.wire.client(), script).await;
                Stumble::of_answers(task, script, answers)?;
            }
            Verification::Code => {
                self.call(task, Hook::Verify).await?;
            }
        }
        self.wire.rows("ROLLBACK").await.map(drop).map_err(lost)
    }

    /// Writes down how far the migration has come, and says so in the error.
    async fn failed(
        &mut self,
        task: &Task<'_>,
        stumble: Stumble,
        journal: &Journal<'_>,
        done: usize,
    ) -> Stumble {
        let _ = self.wire.rows(&self.session.recover(&self.guard)).await;
        let (of, statement) = (journal.statements().len(), done.saturating_add(1));
        let remains = if of == 0 {
            "it runs outside a transaction: see what it has done, mend it and run again, which calls it again"
                .to_owned()
        } else if done < of {
            format!(
                "{done} of its {of} statements are done: mend statement {statement} and run again, which goes on there"
            )
        } else {
            format!("all {of} of its statements are done and stay: mend what it verifies and run again")
        };
        match stumble {
            Stumble::Fatal(error) if error.kind() != ErrorKind::Connection => {
                self.ledger.advance(task.member.version(), Self::state_of(task), done);
                Stumble::Failed(self.give_up(task, error.half_way(remains)).await)
            }
            Stumble::Transient { error, code } => Stumble::Transient { error: error.half_way(remains), code },
            // What the server has done before it was gone is not known.
            stumble => stumble,
        }
    }

    /// Writes down how far a migration outside a transaction has come, and that it goes no further. No transaction is open.
    pub(crate) async fn give_up(&mut self, task: &Task<'_>, error: Error) -> Error {
        let journal = task.journal();
        let version = task.member.version();
        let done = self.ledger.progress(version, task.direction());
        let event = Event {
            kind: "failed",
            id: task.id(),
            code: error.code().map(SqlState::code),
            statement: (done < journal.statements().len()).then_some(done.saturating_add(1)),
        };
        let state = match task.direction() {
            Direction::Up => RecordState::Failed,
            Direction::Down => RecordState::Reverting,
        };
        let sql = &self.migrator.sql;
        let statements = [
            sql.advance(version, state, done, &journal.digest(done).to_string()),
            sql.event(&event, &self.name),
        ];
        self.ledger.advance(version, state, done);
        let _ = self.own_transaction(&statements).await;
        error
    }

    fn broken_off(&self, task: &Task<'_>, error: PgError) -> Stumble {
        if let Some(error) = Error::of_lock(&error) {
            return Stumble::Fatal(error);
        }
        Stumble::Fatal(Error::database(
            format!("migration {}, which runs outside a transaction", task.id()),
            error,
        ))
    }

    fn state_of(task: &Task<'_>) -> RecordState {
        match task.direction() {
            Direction::Up => RecordState::Running,
            Direction::Down => RecordState::Reverting,
        }
    }
}

/// An index that is there.
struct Found {
    /// Qualified and quoted.
    name: String,
    valid: bool,
    unique: bool,
}

/// Whether an index that is valid may be what an interrupted `CREATE INDEX` has built.
fn is_built_by(index: &ConcurrentIndex, found: &Found) -> bool {
    matches!(index.command(), IndexCommand::Create { unique, .. } if unique == found.unique)
}
