use std::fmt;
use std::time::Duration;

use dunlin_script::Diagnostic;
use tokio_postgres::Error as PgError;
use tokio_postgres::error::{DbError, SqlState};

mod make;

use crate::assess::Finding;
use crate::blocker::{self, Blocker};
use crate::failure::{self, Failure};
use crate::lock::{Holder, LockKey};
use crate::plan::Direction;
use crate::problem::{Problem, at};
use crate::{BoxError, HistoryTable, HookPoint, MigrationId, MigrationSet, Report, Step, Target, Unmet};

/// Why something did not work.
///
/// [`kind`](Self::kind) is for branching, `Display` for people: it names the migration, what is wrong and what to do,
/// in one line. [`report`](Self::report) tells what was done before it. What the server said is part of the text,
/// without its DETAIL, which may hold row values: that is had with [`detail`](Self::detail) alone. `Debug` prints the
/// text and its causes, so that `fn main() -> Result<(), dunlin::Error>` reads well.
pub struct Error(Box<Inner>);

struct Inner {
    problem: Problem,
    source: Option<BoxError>,
    report: Report,
    blockers: Vec<Blocker>,
}

/// What kind of thing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No connection could be opened.
    Connect,
    /// The connection was lost. What was done is in the history; the next run settles it.
    Connection,
    /// The server refused one of the library's own statements.
    Database,
    /// A SQL text can't be a migration.
    Script,
    /// Two migrations of one version, a name that can't be kept, or a required backfill that is not there.
    Set,
    /// The folder holds a migration that was added after the program was built.
    StaleBuild,
    /// The target is not in the set, or further away than there are migrations.
    Target,
    /// The plan reverts a migration that can't be reverted.
    Irreversible,
    /// The history and the set disagree in a way that a policy does not allow.
    Diverged,
    /// Migrations are waiting ([`Migrator::ensure_current`](crate::Migrator::ensure_current) alone).
    Behind,
    /// The migration can't run in the way that was asked for.
    Unsupported,
    /// The history table can't be trusted or read.
    History,
    /// The server is a standby, or the session is read-only.
    ReadOnly,
    /// Another runner held the lock until the deadline.
    LockTimeout,
    /// The connection does not hold the lock any more: a migration has released it, or a pooler stands in between.
    LockLost,
    /// A pooler in transaction or statement mode stands in between, which the run was not told of or can't work with.
    Pooler,
    /// A migration failed.
    Migration,
    /// A migration requires a backfill that is not finished.
    Gate,
    /// A migration did not verify.
    Verify,
    /// A migration ended the runner's transaction.
    TransactionEnded,
    /// A hook around the run or a migration failed ([`Migrator::around_run`](crate::Migrator::around_run),
    /// [`Migrator::around_each`](crate::Migrator::around_each)).
    Hook,
    /// Something that the run [requires](crate::Migrator::requires) is not met. Nothing was done.
    Requirement,
    /// The run was asked to [stop](crate::Stop). What was done before stays, and the next run goes on.
    Stopped,
}

/// A place in a script.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Location {
    pub(crate) file: String,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl Location {
    /// A place in a file: line and column from 1.
    #[must_use]
    pub fn new(file: impl Into<String>, line: u32, column: u32) -> Self {
        Self { file: file.into(), line, column }
    }

    /// The file's path, relative to the crate that embeds it.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The line, from 1.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.line
    }

    /// The column, from 1, in characters.
    #[must_use]
    pub fn column(&self) -> u32 {
        self.column
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl Error {
    /// What kind of thing went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match &self.0.problem {
            Problem::Connect => ErrorKind::Connect,
            Problem::Connection { .. } => ErrorKind::Connection,
            Problem::Database { .. } => ErrorKind::Database,
            Problem::Script { .. } => ErrorKind::Script,
            Problem::Duplicate(..) | Problem::Name(..) | Problem::Required { .. } => ErrorKind::Set,
            Problem::Gate { .. } => ErrorKind::Gate,
            Problem::StaleBuild { .. } => ErrorKind::StaleBuild,
            Problem::UnknownVersion { .. } | Problem::TooFar { .. } => ErrorKind::Target,
            Problem::Irreversible(_) | Problem::UnknownToRevert(_) => ErrorKind::Irreversible,
            Problem::Diverged(_)
            | Problem::EditedHalfWay { .. }
            | Problem::HalfReverted(_)
            | Problem::BegunOutside(_) => ErrorKind::Diverged,
            Problem::Behind { .. } => ErrorKind::Behind,
            Problem::OutsideTransaction(_)
            | Problem::OpenTransaction
            | Problem::OutsideBehindPooler(_)
            | Problem::OneClientBehindPooler
            | Problem::NoConnector(_)
            | Problem::NoConnectorForHook
            | Problem::HooksInOneTransaction(_)
            | Problem::NoSession => ErrorKind::Unsupported,
            Problem::History { .. } => ErrorKind::History,
            Problem::ReadOnly(_) => ErrorKind::ReadOnly,
            Problem::LockTimeout { .. } => ErrorKind::LockTimeout,
            Problem::LockLost => ErrorKind::LockLost,
            Problem::Pooler { .. } | Problem::StatementPooler | Problem::NoSecondConnection { .. } => {
                ErrorKind::Pooler
            }
            Problem::Migration { .. } | Problem::Code { .. } | Problem::Backfill(_) => ErrorKind::Migration,
            Problem::Verify { .. } | Problem::Verification { .. } => ErrorKind::Verify,
            Problem::TransactionEnded { .. } => ErrorKind::TransactionEnded,
            Problem::Hook { .. } => ErrorKind::Hook,
            Problem::Requirement { .. } => ErrorKind::Requirement,
            Problem::Stopped { .. } => ErrorKind::Stopped,
        }
    }

    /// The migration that it is about.
    #[must_use]
    pub fn migration(&self) -> Option<&MigrationId> {
        match &self.0.problem {
            Problem::Script { id, .. }
            | Problem::Duplicate(_, id)
            | Problem::Name(_, id)
            | Problem::HalfReverted(id)
            | Problem::BegunOutside(id)
            | Problem::Irreversible(id)
            | Problem::UnknownToRevert(id)
            | Problem::EditedHalfWay { id, .. }
            | Problem::OutsideTransaction(id)
            | Problem::OutsideBehindPooler(id)
            | Problem::NoConnector(id)
            | Problem::HooksInOneTransaction(id)
            | Problem::Gate { id, .. }
            | Problem::Required { id, .. }
            | Problem::Backfill(id)
            | Problem::Migration { id, .. }
            | Problem::Code { id, .. }
            | Problem::Verify { id, .. }
            | Problem::TransactionEnded { id, .. } => Some(id),
            Problem::Diverged(findings) => findings.first().map(Finding::id),
            Problem::Behind { first, .. } => Some(first),
            Problem::Stopped { next } => next.as_ref(),
            Problem::Hook { step, .. } => step.as_ref().map(|(id, _)| id),
            _ => None,
        }
    }

    /// The place in a script that it is about; the first, where there are several.
    #[must_use]
    pub fn location(&self) -> Option<&Location> {
        match &self.0.problem {
            Problem::Script { location, .. }
            | Problem::Migration { location, .. }
            | Problem::Verify { location, .. }
            | Problem::TransactionEnded { location, .. } => location.as_ref(),
            _ => None,
        }
    }

    /// The SQLSTATE that the server gave.
    #[must_use]
    pub fn code(&self) -> Option<&SqlState> {
        self.failure().and_then(Failure::code)
    }

    /// The server's DETAIL. It may hold row values, so it is in no text.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.failure().and_then(Failure::detail)
    }

    /// The sessions that held what a migration waited for when it was given up, as far as they are known: after the second
    /// try, in runs that open their own connections.
    #[must_use]
    pub fn blockers(&self) -> &[Blocker] {
        &self.0.blockers
    }

    /// The differences between the history and the set, for [`ErrorKind::Diverged`].
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        match &self.0.problem {
            Problem::Diverged(findings) => findings,
            _ => &[],
        }
    }

    /// Which hook has failed, for [`ErrorKind::Hook`]: one around [`migration`](Self::migration), or around the run where that is
    /// nothing. Its own error is the source.
    #[must_use]
    pub fn hook(&self) -> Option<HookPoint> {
        match &self.0.problem {
            Problem::Hook { point, .. } => Some(*point),
            _ => None,
        }
    }

    /// All requirements that are not met, for [`ErrorKind::Requirement`].
    #[must_use]
    pub fn unmet(&self) -> &[Unmet] {
        match &self.0.problem {
            Problem::Requirement { unmet, .. } => unmet,
            _ => &[],
        }
    }

    /// What the run had done before it failed. What is in it stays applied.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.0.report
    }

    fn failure(&self) -> Option<&Failure> {
        match &self.0.problem {
            Problem::Database { failure, .. } | Problem::Migration { failure, .. } => Some(failure),
            Problem::Verify { failure, .. } => failure.as_ref(),
            _ => None,
        }
    }
}

/// For adapters.
impl Error {
    /// No connection could be had from wherever connections come from.
    #[must_use]
    pub fn no_connection(cause: impl Into<BoxError>) -> Self {
        match cause.into().downcast::<tokio_postgres::Error>() {
            Ok(cause) => Self::connect(*cause),
            Err(cause) => Self::new(Problem::Connect).caused_by(cause),
        }
    }
}

/// What a run asks.
impl Error {
    /// Whether the server has refused a connection for a reason that passes.
    pub(crate) fn is_passing(&self) -> bool {
        self.answer().is_some_and(failure::is_passing)
    }

    /// Whether the server has refused a connection for a reason that stays.
    pub(crate) fn is_refusal(&self) -> bool {
        self.answer().is_some_and(|code| !failure::may_pass(code))
    }

    /// The code of what the server has said, by whatever way it came here.
    fn answer(&self) -> Option<&SqlState> {
        self.code()
            .or_else(|| failure::server_errors(std::error::Error::source(self)).find_map(PgError::code))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.problem.fmt(f)?;
        if !self.0.blockers.is_empty() {
            write!(f, "; it waited for {}", blocker::list(&self.0.blockers))?;
        }
        match self.0.report.done.len() {
            0 => Ok(()),
            1 => f.write_str(" (one migration was done before it)"),
            done => write!(f, " ({done} migrations were done before it)"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            match cause.downcast_ref::<DbError>() {
                // Its own text has the DETAIL.
                Some(error) => {
                    write!(f, "\n  caused by: {} (SQLSTATE {})", failure::words(error), error.code().code())?
                }
                None => write!(f, "\n  caused by: {cause}")?,
            }
            source = cause.source();
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.source {
            Some(source) => Some(&**source),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests;
