//! Migrations outside a transaction: one statement at a time, each journaled.

use std::time::Duration;

use dunlin_script::{ConcurrentIndex, IndexCommand, Statement, StatementKind};
use tokio_postgres::Error as PgError;
use tokio_postgres::error::SqlState;

use crate::Error;
use crate::apply::{Hook, Stumble, code_stumble};
use crate::concurrent_index;
use crate::failure::{Failure, is_transient};
use crate::flight::location;
use crate::history::{Record, RecordState};
use crate::history_sql::{Event, Recorded};
use crate::journal::Journal;
use crate::lock::LockKey;
use crate::plan::Direction;
use crate::run::Run;
use crate::session::Session;
use crate::task::{Task, Verification};
use crate::verify;
use crate::wire::{flag, text};

impl Run<'_> {
    /// Runs a migration outside a transaction, from the first statement that is not done.
    pub(crate) async fn outside_transaction(
        &mut self,
        task: &Task<'_>,
        records: &[Record],
    ) -> Result<(), Stumble> {
        self.tell_start(task);
        let journal = match task.direction() {
            Direction::Up => Journal::of_up(task.migration()),
            Direction::Down => Journal::of_down(task.migration()),
        };
        let mut done = self.begin_journal(task, &journal).await?;
        // Whether an earlier run may have finished the next statement without being able to say so.
        let mut uncertain = records.iter().any(|record| {
            record.version() == task.member.version()
                && record.statements_done == done
                && matches!(record.state, RecordState::Running | RecordState::Reverting)
        });
        self.lend_session(task, &journal, done).await.map_err(|error| self.broken_off(task, error))?;
        if task.script().is_none() {
            let outcome = self.call(task, Hook::of(task.direction())).await;
            if let Err(error) = outcome {
                let stumble = code_stumble(task, Hook::of(task.direction()), error);
                return Err(self.failed(task, stumble, &journal, 0).await);
            }
        }
        for statement in journal.statements().iter().skip(done) {
            if let Err(stumble) = self.one_statement(task, &journal, statement, uncertain).await {
                return Err(self.failed(task, stumble, &journal, done).await);
            }
            uncertain = false;
            done = done.saturating_add(1);
            let state = Self::state_of(task);
            self.journal(task, &journal, state, done).await.map_err(|error| self.broken_off(task, error))?;
        }
        let verified = self.verify_outside(task).await;
        if let Err(stumble) = verified {
            return Err(self.failed(task, stumble, &journal, done).await);
        }
        self.end_journal(task).await
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

    async fn journal(
        &mut self,
        task: &Task<'_>,
        journal: &Journal<'_>,
        state: RecordState,
        done: usize,
    ) -> Result<(), PgError> {
        let version = task.member.version();
        self.ledger.advance(version, state, done);
        let digest = journal.digest(done).to_string();
        self.own_transaction(&[self.migrator.sql.advance(version, state, done, &digest)]).await.map(drop)
    }

    /// Records that the migration has come to its end.
    async fn end_journal(&mut self, task: &Task<'_>) -> Result<(), Stumble> {
        let sql = &self.migrator.sql;
        let mut statements = match task.direction() {
            Direction::Up => self.ledger.finish(sql, &self.name, task.member),
            Direction::Down => self.ledger.revert(sql, &self.name, task.member),
        };
        statements.push(self.ledger.announce(sql));
        let message =
            format!("{}; {}", self.in_own_transaction(&statements).join("; "), self.session.take_back());
        let rows = self.wire.rows(&message).await.map_err(|error| self.broken_off(task, error))?;
        if let Some(recorded) = rows.iter().find_map(Recorded::of) {
            self.tell_end(task, recorded.took);
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
            self.wire.rows(&Session::set_lock_timeout(Duration::ZERO)).await.map_err(lost)?;
            match self.look_up(index).await.map_err(lost)? {
                Some(found) if !found.valid && matches!(index.command(), IndexCommand::Create { .. }) => {
                    tracing::warn!(
                        index = found.name,
                        "dropping an invalid index that an earlier try has left"
                    );
                    self.wire.rows(&concurrent_index::drop(&found.name)).await.map_err(lost)?;
                }
                Some(_) if uncertain && matches!(index.command(), IndexCommand::Create { .. }) => {
                    return Ok(());
                }
                None if uncertain && matches!(index.command(), IndexCommand::Drop { .. }) => return Ok(()),
                _ => {}
            }
        }
        let Err(error) = self.wire.rows(sql).await else {
            if index.is_some() {
                let timeout = Session::set_lock_timeout(self.local(task).lock_timeout);
                self.wire.rows(&timeout).await.map_err(lost)?;
            }
            return Ok(());
        };
        if let Some(index) = index
            && matches!(index.command(), IndexCommand::Create { .. })
            && let Ok(Some(found)) = self.look_up(index).await
            && !found.valid
        {
            // An invalid unique index rejects writes: it goes now, not with the next deploy.
            let _ = self.wire.rows(&concurrent_index::drop(&found.name)).await;
        }
        let script = task.script();
        let transient = error.as_db_error().is_some_and(is_transient);
        let code = error.code().map(|code| code.code().to_owned()).unwrap_or_default();
        let Some(failure) = Failure::of(&error) else { return Err(self.broken_off(task, error)) };
        let place = script.map(|script| {
            // The server counts in characters of the statement.
            let before = script.text.get(..statement.range().start).map_or(0, |text| text.chars().count());
            let within = error.as_db_error().and_then(crate::failure::position).unwrap_or(1);
            let number = u32::try_from(before.saturating_add(within)).unwrap_or(u32::MAX);
            location(script, dunlin_script::Position::of_char(&script.text, number))
        });
        let error = Error::migration_failed(task.id().clone(), task.direction(), place, failure);
        Err(if transient { Stumble::Transient { error, code } } else { Stumble::Fatal(error) })
    }

    async fn look_up(&self, index: &ConcurrentIndex) -> Result<Option<Found>, PgError> {
        let Some(sql) = concurrent_index::look_up(index) else { return Ok(None) };
        let rows = self.wire.rows(&sql).await?;
        Ok(rows
            .first()
            .and_then(|row| Some(Found { name: text(row, "name")?.to_owned(), valid: flag(row, "valid") })))
    }

    /// Gives the session to the migration, with what its statements that are done have set it to.
    async fn lend_session(&self, task: &Task<'_>, journal: &Journal<'_>, done: usize) -> Result<(), PgError> {
        self.wire.rows(&self.session.lend(&self.local(task))).await?;
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
        let begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
        match task.verification() {
            Verification::Nothing => return Ok(()),
            Verification::Script(script) => {
                self.wire.rows(&self.session.lend(&self.local(task))).await.map_err(lost)?;
                self.wire.rows(begin).await.map_err(lost)?;
                self.wire.count_flight();
                let answers = verify::ask(self.wire.client(), script).await;
                verify::judge(task.id(), script, answers).map_err(Stumble::Fatal)?;
            }
            Verification::Code => {
                self.wire.rows(&self.session.lend(&self.local(task))).await.map_err(lost)?;
                self.wire.rows(begin).await.map_err(lost)?;
                self.call(task, Hook::Verify)
                    .await
                    .map_err(|error| code_stumble(task, Hook::Verify, error))?;
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
        let _ = self.wire.rows(&self.session.recover()).await;
        let Stumble::Fatal(error) = stumble else { return stumble };
        let of = journal.statements().len();
        let statement = done.saturating_add(1);
        let event = Event {
            kind: "failed",
            id: task.id(),
            code: error.code().map(SqlState::code),
            statement: (done < of).then_some(statement),
        };
        let state = match task.direction() {
            Direction::Up => RecordState::Failed,
            Direction::Down => RecordState::Reverting,
        };
        let version = task.member.version();
        let sql = &self.migrator.sql;
        let statements = [
            sql.advance(version, state, done, &journal.digest(done).to_string()),
            sql.event(&event, &self.name),
        ];
        self.ledger.advance(version, state, done);
        let _ = self.own_transaction(&statements).await;
        Stumble::Failed(error.half_way(if of == 0 {
            "it runs outside a transaction: see what it has done, mend it and run again, which calls it again".to_owned()
        } else if done < of {
            format!("{done} of its {of} statements are done: mend statement {statement} and run again, which goes on there")
        } else {
            format!("all {of} of its statements are done and stay: mend what it verifies and run again")
        }))
    }

    fn broken_off(&self, task: &Task<'_>, error: PgError) -> Stumble {
        if LockKey::is_lost(&error) {
            return Stumble::Fatal(Error::lock_lost());
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
}
