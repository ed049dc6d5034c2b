//! Migrations outside a transaction: one statement at a time, each journaled.

use std::time::Instant;

use dunlin_script::StatementKind;
use tokio_postgres::Error as PgError;
use tokio_postgres::error::SqlState;

use crate::failure::{Failure, is_transient};
use crate::history::{Record, RecordState};
use crate::history_sql::{Event, Recorded};
use crate::journal::Journal;
use crate::lock::OPEN;
use crate::plan::Direction;
use crate::progress::Progress;
use crate::run::Run;
use crate::stumble::{Hook, Stumble};
use crate::task::{Task, Verification};
use crate::turn::{Halt, Turn};
use crate::verify;
use crate::wire::flag;
use crate::{Error, ErrorKind};

/// What a hook is told that has begun a transaction.
const LEFT_OPEN: &str = "it has left a transaction open: commit it";

impl Run<'_> {
    /// Runs a migration outside a transaction, from the first statement that is not done.
    pub(crate) async fn outside_transaction(
        &mut self,
        task: &Task<'_>,
        records: &[Record],
    ) -> Result<(), Stumble> {
        self.tell_start(task);
        let began = Instant::now();
        let journal = task.journal();
        let done = self.begin_journal(task, &journal).await?;
        // Whether an earlier run may have finished the next statement without being able to say so.
        let uncertain = records.iter().any(|record| {
            record.version() == task.member.version()
                && record.statements_done == done
                && matches!(record.state, RecordState::Running | RecordState::Reverting)
        });
        self.lend_session(task, &journal, done).await.map_err(|error| self.broken_off(task, error))?;
        if task.script().is_none() {
            let hook = Hook::of(task.direction());
            let outcome = match self.call(task, hook).await {
                Ok(()) => match self.has_open_transaction().await {
                    Ok(false) => Ok(()),
                    // Whatever ends it later, what was done in it would be lost.
                    Ok(true) => Err(Stumble::of_hook(task, hook, LEFT_OPEN.into())),
                    // A hook that works elsewhere for hours does not notice that this connection is gone.
                    Err(error) => Err(self.broken_off(task, error)),
                },
                Err(stumble) => Err(stumble),
            };
            if let Err(stumble) = outcome {
                return Err(self.failed(task, stumble.into(), &journal, 0).await);
            }
        }
        let of = journal.statements().len();
        for (number, statement) in journal.statements().iter().enumerate().skip(done) {
            if number > done && self.migrator.stop.is_stopped() {
                return Err(Stumble::Fatal(Error::stopped(Some(task.id().clone()))));
            }
            let told = Progress::Statement { id: task.id(), number: number.saturating_add(1), of };
            self.migrator.observer.notify(told);
            let uncertain = uncertain && number == done;
            let turn = Turn { task, journal: &journal, statement, done: number, uncertain };
            match self.take(&turn).await {
                Err(halt) => return Err(self.failed(task, halt, &journal, number).await),
                Ok(true) => {}
                Ok(false) => {
                    let recorded = self.journal(&turn).await;
                    recorded.map_err(|error| self.broken_off(task, error))?;
                }
            }
        }
        let verified = self.verify_outside(task).await;
        if let Err(stumble) = verified {
            let all = journal.statements().len();
            return Err(self.failed(task, stumble.into(), &journal, all).await);
        }
        self.end_journal(task, began).await
    }

    async fn has_open_transaction(&self) -> Result<bool, PgError> {
        let rows = self.wire.rows(&format!("SELECT {OPEN}")).await?;
        Ok(rows.first().is_some_and(|row| flag(row, "open")))
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

    /// Runs a statement. True when its record is written already.
    async fn take(&mut self, turn: &Turn<'_>) -> Result<bool, Halt> {
        if self.with_its_record(turn).await? {
            return Ok(true);
        }
        match turn.statement.kind() {
            StatementKind::Concurrent(concurrent) => self.concurrent(turn, concurrent).await?,
            _ => {
                let ran = self.wire.rows(turn.sql()).await;
                ran.map_err(|error| self.statement_failed(turn, error, 0))?;
            }
        }
        Ok(false)
    }

    async fn journal(&mut self, turn: &Turn<'_>) -> Result<(), PgError> {
        let advance = self.advance(turn);
        self.own_transaction(&[advance]).await.map(drop)
    }

    /// The statement that says that this one is done, too.
    fn advance(&mut self, turn: &Turn<'_>) -> String {
        let (version, state) = (turn.task.member.version(), Self::state_of(turn.task));
        let done = turn.done.saturating_add(1);
        self.ledger.advance(version, state, done);
        self.migrator.sql.advance(version, state, done, &turn.journal.digest(done).to_string())
    }

    /// Runs a statement that can share the transaction of its record, so that a crash repeats neither. False when it can't,
    /// and nothing has been done. One flight.
    async fn with_its_record(&mut self, turn: &Turn<'_>) -> Result<bool, Stumble> {
        let sql = turn.sql();
        // No white space needs to follow: `DO'...'`, `CALL"p"()`.
        let first = sql.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        let may_commit = ["CALL", "DO"].iter().any(|word| first.eq_ignore_ascii_case(word));
        // What a block or a procedure does about transactions can't be seen from outside.
        if *turn.statement.kind() != StatementKind::Plain || may_commit {
            return Ok(false);
        }
        let before = format!("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT {};\n", self.guard);
        let advance = self.advance(turn);
        let message = format!("{before}{sql}\n; {}; {advance}; COMMIT", self.session.own().join("; "));
        match self.wire.rows(&message).await {
            Ok(_) => Ok(true),
            Err(error) if error.code() == Some(&SqlState::ACTIVE_SQL_TRANSACTION) => {
                let back = self.wire.rows("ROLLBACK").await;
                back.map(|_| false).map_err(|error| self.broken_off(turn.task, error))
            }
            Err(error) => Err(self.statement_failed(turn, error, before.chars().count())),
        }
    }

    /// Records that the migration has come to its end.
    async fn end_journal(&mut self, task: &Task<'_>, began: Instant) -> Result<(), Stumble> {
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
            // The row says when it was applied, and not when its way back began.
            let took = match task.direction() {
                Direction::Up => recorded.took,
                Direction::Down => began.elapsed(),
            };
            self.tell_end(task.done(took));
        }
        Ok(())
    }

    /// What an error of a statement means that stands behind so many characters of its message.
    pub(crate) fn statement_failed(&self, turn: &Turn<'_>, error: PgError, offset: usize) -> Stumble {
        let transient = error.as_db_error().is_some_and(is_transient);
        let code = error.code().map(|code| code.code().to_owned()).unwrap_or_default();
        let Some(failure) = Failure::of(&error) else { return self.broken_off(turn.task, error) };
        if let Some(error) = Error::of_lock(&error) {
            return Stumble::Fatal(error);
        }
        let within = error.as_db_error().and_then(crate::failure::position).unwrap_or(0);
        let place = turn.location(within.saturating_sub(offset));
        let error = Error::migration_failed(turn.task.id().clone(), turn.task.direction(), place, failure);
        if transient { Stumble::Transient { error, code } } else { Stumble::Fatal(error) }
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
    async fn failed(&mut self, task: &Task<'_>, halt: Halt, journal: &Journal<'_>, done: usize) -> Stumble {
        let _ = self.wire.rows(&self.session.recover(&self.guard)).await;
        let (of, statement) = (journal.statements().len(), done.saturating_add(1));
        let then = if of == 0 {
            "it runs outside a transaction: see what it has done, mend it and run again, which calls it again"
                .to_owned()
        } else if done < of {
            format!(
                "{done} of its {of} statements are done: mend statement {statement} and run again, which goes on there"
            )
        } else {
            format!("all {of} of its statements are done and stay: mend what it verifies and run again")
        };
        let remains = halt.remains.into_iter().chain([then]).collect::<Vec<_>>().join("; ");
        match halt.stumble {
            // It has failed in nothing: the row goes on saying that it runs.
            Stumble::Fatal(error) if error.kind() == ErrorKind::Stopped => Stumble::Fatal(error),
            Stumble::Fatal(error) if halt.is_in_doubt => Stumble::Fatal(error.half_way(remains)),
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
            detail: None,
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
