//! How errors are made.

use super::*;

impl Error {
    pub(super) fn new(problem: Problem) -> Self {
        Self(Box::new(Inner { problem, source: None, report: Report::new(), blockers: Vec::new() }))
    }

    pub(super) fn caused_by(mut self, source: impl Into<BoxError>) -> Self {
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

    pub(crate) fn no_connector(id: MigrationId) -> Self {
        Self::new(Problem::NoConnector(id))
    }

    pub(crate) fn stopped(next: Option<MigrationId>) -> Self {
        Self::new(Problem::Stopped { next })
    }

    pub(crate) fn no_connector_for_hook() -> Self {
        Self::new(Problem::NoConnectorForHook)
    }

    pub(crate) fn hooks_in_one_transaction(first: MigrationId) -> Self {
        Self::new(Problem::HooksInOneTransaction(first))
    }

    pub(crate) fn hook_of_run(point: HookPoint, source: BoxError) -> Self {
        Self::new(Problem::Hook { step: None, point }).caused_by(source)
    }

    pub(crate) fn hook_of_each(step: &Step, point: HookPoint, source: BoxError) -> Self {
        let step = Some((step.id.clone(), step.direction));
        Self::new(Problem::Hook { step, point }).caused_by(source)
    }

    pub(crate) fn requirement(unmet: Vec<Unmet>, of: usize) -> Self {
        Self::new(Problem::Requirement { unmet, of })
    }

    pub(crate) fn no_session() -> Self {
        Self::new(Problem::NoSession)
    }

    pub(crate) fn outside_behind_pooler(id: MigrationId) -> Self {
        Self::new(Problem::OutsideBehindPooler(id))
    }

    pub(crate) fn one_client_behind_pooler() -> Self {
        Self::new(Problem::OneClientBehindPooler)
    }

    pub(crate) fn gate(id: &MigrationId, backfill: &MigrationId, what: String) -> Self {
        Self::new(Problem::Gate { id: id.clone(), backfill: backfill.clone(), what })
    }

    pub(crate) fn gate_failed(id: &MigrationId, backfill: &MigrationId, source: BoxError) -> Self {
        let what = "has failed: mend it and run again, which goes on".to_owned();
        Self::gate(id, backfill, what).caused_by(source)
    }

    pub(crate) fn required(id: &MigrationId, name: &str, what: &'static str) -> Self {
        Self::new(Problem::Required { id: id.clone(), name: name.to_owned(), what })
    }

    pub(crate) fn backfill_failed(id: MigrationId, source: BoxError) -> Self {
        Self::new(Problem::Backfill(id)).caused_by(source)
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

    /// A hook of a migration failed, on a connection that is there.
    pub(crate) fn code_failed(id: MigrationId, direction: Direction, source: BoxError) -> Self {
        let then = "nothing of it remains: mend it and run again".to_owned();
        // A server's error is told without its DETAIL, as everywhere.
        match source.downcast_ref::<PgError>().and_then(Failure::of) {
            Some(failure) => Self::new(Problem::Migration { id, direction, location: None, failure, then }),
            None => Self::new(Problem::Code { id, direction, then }).caused_by(source),
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
        match source.downcast_ref::<PgError>().and_then(Failure::of) {
            Some(failure) => Self::verify(id, None, failure.to_string(), Some(failure)),
            None => Self::verify(id, None, "its Rust code says so".to_owned(), None).caused_by(source),
        }
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
            Problem::Verify { id, location, what, .. } => {
                format!("{id}{}: {what}{}", at(location), self.causes())
            }
            problem => problem.to_string(),
        }
    }

    /// What has led to it, for a text that stands for the error: what the server says, it says without values.
    fn causes(&self) -> String {
        let mut text = String::new();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            if let Some(failure) = error.downcast_ref().and_then(Failure::of) {
                return format!("{text}: {failure}");
            }
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        text
    }
}
