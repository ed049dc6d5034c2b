use std::fmt;
use std::time::Duration;

use dunlin_script::Diagnostic;
use tokio_postgres::Error as PgError;
use tokio_postgres::error::{DbError, SqlState};

use crate::assess::Finding;
use crate::blocker::{self, Blocker};
use crate::failure::{self, Failure};
use crate::lock::{Holder, LockKey};
use crate::plan::Direction;
use crate::problem::{Problem, at};
use crate::{BoxError, HistoryTable, MigrationId, MigrationSet, Report, Target};

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
    /// Two migrations of one version.
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
    /// A migration did not verify.
    Verify,
    /// A migration ended the runner's transaction.
    TransactionEnded,
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
            Problem::Duplicate(..) | Problem::Name(..) => ErrorKind::Set,
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
            | Problem::OneClientBehindPooler => ErrorKind::Unsupported,
            Problem::History { .. } => ErrorKind::History,
            Problem::ReadOnly(_) => ErrorKind::ReadOnly,
            Problem::LockTimeout { .. } => ErrorKind::LockTimeout,
            Problem::LockLost => ErrorKind::LockLost,
            Problem::Pooler { .. } | Problem::StatementPooler | Problem::NoSecondConnection { .. } => {
                ErrorKind::Pooler
            }
            Problem::Migration { .. } | Problem::Code { .. } => ErrorKind::Migration,
            Problem::Verify { .. } | Problem::Verification { .. } => ErrorKind::Verify,
            Problem::TransactionEnded { .. } => ErrorKind::TransactionEnded,
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
            | Problem::Migration { id, .. }
            | Problem::Code { id, .. }
            | Problem::Verify { id, .. }
            | Problem::TransactionEnded { id, .. } => Some(id),
            Problem::Diverged(findings) => findings.first().map(Finding::id),
            Problem::Behind { first, .. } => Some(first),
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
        self.answer().is_some_and(|code| !failure::is_passing(code))
    }

    /// The code of what the server has said, by whatever way it came here.
    fn answer(&self) -> Option<&SqlState> {
        self.code()
            .or_else(|| failure::server_errors(std::error::Error::source(self)).find_map(PgError::code))
    }
}

/// How errors are made.
impl Error {
    fn new(problem: Problem) -> Self {
        Self(Box::new(Inner { problem, source: None, report: Report::new(), blockers: Vec::new() }))
    }

    fn caused_by(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Says who has held what it waited for.
    pub(crate) fn blocked_by(mut self, blockers: Vec<Blocker>) -> Self {
        self.0.blockers = blockers;
        self
    }

    pub(crate) fn after(mut self, report: Report) -> Self {
        self.0.report = report;
        self
    }

    pub(crate) fn connect(error: tokio_postgres::Error) -> Self {
        match Failure::of(&error) {
            // The server answered: its words say what is wrong.
            Some(failure) => Self::new(Problem::Database { doing: "the connection".to_owned(), failure }),
            None => Self::new(Problem::Connect).caused_by(error),
        }
    }

    /// One of the library's own statements failed while `doing` something.
    pub(crate) fn database(doing: impl Into<String>, error: PgError) -> Self {
        let doing = doing.into();
        if let Some(error) = Self::of_lock(&error) {
            return error;
        }
        match Failure::of(&error) {
            Some(failure) => Self::new(Problem::Database { doing, failure }),
            None => Self::new(Problem::Connection { doing }).caused_by(error),
        }
    }

    /// The connection was lost while `doing` something, as its cause tells or not.
    pub(crate) fn lost(doing: impl Into<String>, cause: BoxError) -> Self {
        Self::new(Problem::Connection { doing: doing.into() }).caused_by(cause)
    }

    pub(crate) fn script(id: MigrationId, diagnostics: Vec<Diagnostic>) -> Self {
        let location = diagnostics.iter().find_map(|diagnostic| {
            let position = diagnostic.position()?;
            let file = diagnostic.file().to_owned();
            Some(Location { file, line: position.line(), column: position.column() })
        });
        Self::new(Problem::Script { id, diagnostics, location })
    }

    pub(crate) fn duplicate_version(first: &MigrationId, second: &MigrationId) -> Self {
        Self::new(Problem::Duplicate(first.clone(), second.clone()))
    }

    pub(crate) fn stale_build(folder: &str, files: Vec<String>) -> Self {
        Self::new(Problem::StaleBuild { folder: folder.to_owned(), files })
    }

    pub(crate) fn unknown_version(version: i64, set: &MigrationSet) -> Self {
        let known = set.iter().map(|migration| migration.id().version()).collect();
        Self::new(Problem::UnknownVersion { version, known })
    }

    pub(crate) fn too_far(target: Target, there: usize) -> Self {
        Self::new(Problem::TooFar { target, there })
    }

    pub(crate) fn irreversible(id: MigrationId) -> Self {
        Self::new(Problem::Irreversible(id))
    }

    pub(crate) fn unknown_to_revert(id: MigrationId) -> Self {
        Self::new(Problem::UnknownToRevert(id))
    }

    pub(crate) fn diverged(findings: Vec<Finding>) -> Self {
        Self::new(Problem::Diverged(findings))
    }

    pub(crate) fn edited_half_way(id: MigrationId, done: usize) -> Self {
        Self::new(Problem::EditedHalfWay { id, done })
    }

    pub(crate) fn half_reverted(id: MigrationId) -> Self {
        Self::new(Problem::HalfReverted(id))
    }

    pub(crate) fn begun_outside(id: MigrationId) -> Self {
        Self::new(Problem::BegunOutside(id))
    }

    pub(crate) fn open_transaction() -> Self {
        Self::new(Problem::OpenTransaction)
    }

    pub(crate) fn name(id: &MigrationId) -> Self {
        Self::new(Problem::Name(id.version(), id.clone()))
    }

    pub(crate) fn behind(count: usize, first: MigrationId) -> Self {
        Self::new(Problem::Behind { count, first })
    }

    pub(crate) fn outside_transaction(id: MigrationId) -> Self {
        Self::new(Problem::OutsideTransaction(id))
    }

    pub(crate) fn history(table: &HistoryTable, what: impl Into<String>) -> Self {
        Self::new(Problem::History { table: table.clone(), what: what.into() })
    }

    pub(crate) fn read_only(why: &'static str) -> Self {
        Self::new(Problem::ReadOnly(why))
    }

    pub(crate) fn lock_timeout(deadline: Duration, holder: Option<Holder>) -> Self {
        Self::new(Problem::LockTimeout { deadline, holder })
    }

    pub(crate) fn lock_lost() -> Self {
        Self::new(Problem::LockLost)
    }

    /// What an error says about the lock, or about a pooler.
    pub(crate) fn of_lock(error: &PgError) -> Option<Self> {
        // What pgbouncer says of a message that leaves a transaction open.
        let refused = |error: &DbError| error.message().contains("statement pooling mode");
        if LockKey::is_lost(error) {
            Some(Self::lock_lost())
        } else if error.as_db_error().is_some_and(refused) {
            Some(Self::new(Problem::StatementPooler))
        } else {
            None
        }
    }

    /// A pooler in transaction mode; `backend` still holds the migration lock.
    pub(crate) fn pooler(what: &'static str, backend: Option<i32>) -> Self {
        Self::new(Problem::Pooler { what, backend })
    }

    pub(crate) fn no_second_connection(waited: Duration) -> Self {
        Self::new(Problem::NoSecondConnection { waited })
    }

    pub(crate) fn outside_behind_pooler(id: MigrationId) -> Self {
        Self::new(Problem::OutsideBehindPooler(id))
    }

    pub(crate) fn one_client_behind_pooler() -> Self {
        Self::new(Problem::OneClientBehindPooler)
    }

    pub(crate) fn migration_failed(
        id: MigrationId,
        direction: Direction,
        location: Option<Location>,
        failure: Failure,
    ) -> Self {
        let then = "nothing of it remains: mend it and run again".to_owned();
        Self::new(Problem::Migration { id, direction, location, failure, then })
    }

    pub(crate) fn code_failed(id: MigrationId, direction: Direction, source: BoxError) -> Self {
        let then = "nothing of it remains: mend it and run again".to_owned();
        // A server's error is told without its DETAIL, as everywhere.
        match source.downcast::<tokio_postgres::Error>() {
            Ok(error) => match Failure::of(&error) {
                Some(failure) => {
                    Self::new(Problem::Migration { id, direction, location: None, failure, then })
                }
                None => Self::new(Problem::Connection { doing: format!("migration {id}") }).caused_by(error),
            },
            Err(source) => Self::new(Problem::Code { id, direction, then }).caused_by(source),
        }
    }

    pub(crate) fn verify(
        id: MigrationId,
        location: Option<Location>,
        what: String,
        failure: Option<Failure>,
    ) -> Self {
        let then = "nothing of it remains: mend it and run again".to_owned();
        Self::new(Problem::Verify { id, location, what, failure, then })
    }

    /// The verify hook of a Rust migration said no.
    pub(crate) fn verify_code(id: MigrationId, source: BoxError) -> Self {
        let source = match source.downcast::<tokio_postgres::Error>() {
            Ok(error) => match Failure::of(&error) {
                Some(failure) => return Self::verify(id, None, failure.to_string(), Some(failure)),
                None => error,
            },
            Err(source) => {
                return Self::verify(id, None, "its Rust code says so".to_owned(), None).caused_by(source);
            }
        };
        Self::new(Problem::Connection { doing: format!("verifying migration {id}") }).caused_by(source)
    }

    pub(crate) fn not_recorded(table: &HistoryTable, id: &MigrationId) -> Self {
        Self::history(table, format!("lost the row of migration {id} while it ran: somebody else writes it"))
    }

    pub(crate) fn verification(of: usize, failures: Vec<String>) -> Self {
        Self::new(Problem::Verification { count: failures.len(), of, failures })
    }

    pub(crate) fn transaction_ended(
        id: MigrationId,
        direction: Direction,
        location: Option<Location>,
    ) -> Self {
        Self::new(Problem::TransactionEnded { id, direction, location })
    }

    /// Says what remains of a migration that failed outside a transaction.
    pub(crate) fn half_way(mut self, remains: String) -> Self {
        match &mut self.0.problem {
            Problem::Migration { then, .. } | Problem::Code { then, .. } | Problem::Verify { then, .. } => {
                *then = remains;
            }
            _ => {}
        }
        self
    }

    /// The reason alone, for a list of failures that names the migrations itself.
    pub(crate) fn reason(&self) -> String {
        match &self.0.problem {
            Problem::Verify { id, location, what, .. } => format!("{id}{}: {what}", at(location)),
            problem => problem.to_string(),
        }
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
#[path = "error_tests.rs"]
mod tests;
