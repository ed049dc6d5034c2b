use std::time::Duration;

use dunlin_script::Diagnostic;

use crate::assess::Finding;
use crate::error::Location;
use crate::failure::Failure;
use crate::lock::Holder;
use crate::plan::Direction;
use crate::{HistoryTable, HookPoint, MigrationId, Target, Unmet};

/// What can be wrong, each with its text.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    #[error("can't connect to PostgreSQL: check the address, the credentials and that the server runs")]
    Connect,
    #[error("the connection was lost ({doing}): the history says what was done, run again to go on")]
    Connection { doing: String },
    #[error("PostgreSQL refused {doing}: {failure}")]
    Database { doing: String, failure: Failure },
    #[error("{}", lines(.diagnostics))]
    Script { id: MigrationId, diagnostics: Vec<Diagnostic>, location: Option<Location> },
    #[error(
        "version {} is taken twice, by `{}` and by `{}`: give one of them a new version",
        .0.version(), .0.name(), .1.name()
    )]
    Duplicate(MigrationId, MigrationId),
    #[error(
        "stale build: `{folder}` holds {}, added after this program was built: build it again (a build.rs that \
         prints `cargo::rerun-if-changed=migrations` makes cargo notice)", list(.files)
    )]
    StaleBuild { folder: String, files: Vec<String> },
    #[error("there is no migration of version {version}{}", nearest(.known))]
    UnknownVersion { version: i64, known: Vec<i64> },
    #[error("target {target} asks for more migrations than there are: {there} in that direction")]
    TooFar { target: Target, there: usize },
    #[error("migration {0} can't be reverted: it has no down; nothing was done")]
    Irreversible(MigrationId),
    #[error("migration {0} can't be reverted: this program does not know it; run one that does")]
    UnknownToRevert(MigrationId),
    #[error("the database has diverged from this program, nothing was done: {}", findings(.0))]
    Diverged(Vec<Finding>),
    #[error(
        "migration {id} was edited in the first {done} of its statements, which have already run: restore them and \
         change only those that follow"
    )]
    EditedHalfWay { id: MigrationId, done: usize },
    #[error("the database is behind this program: {} pending, from {first}; migrate it first", .count)]
    Behind { count: usize, first: MigrationId },
    #[error(
        "migration {0} runs outside a transaction, which `TransactionPolicy::AllOrNothing` can't undo: run it with \
         `TransactionPolicy::PerMigration`"
    )]
    OutsideTransaction(MigrationId),
    #[error(
        "migration {0} is half reverted: finish it with a target that reverts it (`Relative(-1)`), or declare with \
         `stamp` what is true; a boot goes forward only"
    )]
    HalfReverted(MigrationId),
    #[error(
        "migration {0} was begun outside a transaction and is not finished: keep its `-- dunlin: no-transaction` until \
         it is, or declare with `stamp` what is true"
    )]
    BegunOutside(MigrationId),
    #[error("the client is inside a transaction, which a run would end: commit or roll it back first")]
    OpenTransaction,
    #[error("the name of migration {0} holds a NUL character: PostgreSQL can't keep it, choose another")]
    Name(i64, MigrationId),
    #[error("the history {table} {what}")]
    History { table: HistoryTable, what: String },
    #[error("{0}, so nothing can be migrated here: connect to the primary with a role that may write")]
    ReadOnly(&'static str),
    #[error("another runner has held the migration lock for the whole deadline of {deadline:.1?}{}", held_by(.holder))]
    LockTimeout { deadline: Duration, holder: Option<Holder> },
    #[error(
        "the migration lock is not held by this connection any more: a migration has released it, or a pooler stands in \
         between; run again"
    )]
    LockLost,
    #[error(
        "a pooler in transaction mode stands between this program and the server ({what}): connect directly \
         (`Migrator::direct`) or to a pool in session mode, or tell the run of it with \
         `Migrator::pooler(Pooler::Transaction)`{}", still_held(.backend)
    )]
    Pooler { what: &'static str, backend: Option<i32> },
    #[error(
        "a pooler in statement mode stands between this program and the server, which can't hold a transaction: \
         connect directly (`Migrator::direct`), or to a pool in session or transaction mode"
    )]
    StatementPooler,
    #[error(
        "the pooler has given no second connection within {waited:.0?}, and one keeps the lock: let it have two server \
         connections for this database and role at least (pgbouncer's `default_pool_size`), or connect directly \
         (`Migrator::direct`)"
    )]
    NoSecondConnection { waited: Duration },
    #[error(
        "migration {0} wants connections of its own, and this run was given one client: call `dunlin::migrate` or \
         `Migrator::run_through`, which open them"
    )]
    NoConnector(MigrationId),
    #[error(
        "a session of its own can't be had through a pooler in transaction mode: give the migrator connections that lead to the \
         server itself, with `Migrator::direct`"
    )]
    NoSession,
    #[error(
        "migration {0} runs outside a transaction, which can't be done through a pooler in transaction mode: give the run a \
         direct connection with `Migrator::direct`"
    )]
    OutsideBehindPooler(MigrationId),
    #[error(
        "behind a pooler in transaction mode a run needs two connections of its own: use `migrate` or \
         `Migrator::run_through`, and a client that leads past the pooler for `stamp`"
    )]
    OneClientBehindPooler,
    #[error("{}migration {id} failed{}: {failure}; {}", reverting(.direction), at(.location), .then)]
    Migration {
        id: MigrationId,
        direction: Direction,
        location: Option<Location>,
        failure: Failure,
        then: String,
    },
    #[error("{}", hook_failed(.step, .point))]
    Hook { step: Option<(MigrationId, Direction)>, point: HookPoint },
    #[error(
        "hooks around each migration can't be called with `TransactionPolicy::AllOrNothing`, which commits migration {0} with all \
         others: use `Migrator::around_run`, or `TransactionPolicy::PerMigration`"
    )]
    HooksInOneTransaction(MigrationId),
    #[error(
        "a hook wants a connection of its own, and this run was given one client: call `dunlin::migrate` or \
         `Migrator::run_through`, which open them"
    )]
    NoConnectorForHook,
    #[error("{} of {of} requirements {} not met, nothing was done: {}", .unmet.len(), are(.unmet.len()), all(.unmet))]
    Requirement { unmet: Vec<Unmet>, of: usize },
    #[error("the run was asked to stop{}: the next one goes on there", before(.next))]
    Stopped { next: Option<MigrationId> },
    #[error("migration {id} requires the backfill {backfill}, which {what}")]
    Gate { id: MigrationId, backfill: MigrationId, what: String },
    #[error("migration {id} requires the backfill `{name}`{what}")]
    Required { id: MigrationId, name: String, what: &'static str },
    #[error("the backfill {0} failed: mend what has failed and call again, which goes on")]
    Backfill(MigrationId),
    #[error("{}migration {id} failed in its Rust code; {then}", reverting(.direction))]
    Code { id: MigrationId, direction: Direction, then: String },
    #[error("migration {id} did not verify{}: {what}; {then}", at(.location))]
    Verify {
        id: MigrationId,
        location: Option<Location>,
        what: String,
        failure: Option<Failure>,
        then: String,
    },
    #[error("{count} of {of} migrations do not verify: {}", .failures.join("; "))]
    Verification { count: usize, of: usize, failures: Vec<String> },
    #[error(
        "{}migration {id} ended the transaction that it runs in{}: remove its COMMIT or ROLLBACK, or make it \
         `-- dunlin: no-transaction`; what it had done before may have been kept without a record: check it, then \
         `stamp` or undo it by hand", reverting(.direction), at(.location)
    )]
    TransactionEnded { id: MigrationId, direction: Direction, location: Option<Location> },
}

fn lines(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(Diagnostic::to_string).collect::<Vec<_>>().join("\n")
}

pub(crate) fn at(location: &Option<Location>) -> String {
    location.as_ref().map(|location| format!(" at {location}")).unwrap_or_default()
}

fn reverting(direction: &Direction) -> &'static str {
    match direction {
        Direction::Up => "",
        Direction::Down => "reverting ",
    }
}

fn before(next: &Option<MigrationId>) -> String {
    match next {
        Some(next) => format!(" before migration {next} was done"),
        None => " before it had begun with a migration".to_owned(),
    }
}

fn hook_failed(step: &Option<(MigrationId, Direction)>, point: &HookPoint) -> String {
    let what = step.as_ref().map(|(id, direction)| format!("{}migration {id}", reverting(direction)));
    match (what, point) {
        (None, HookPoint::Before) => {
            "a hook before the run failed, nothing was done: mend what it says and run again".to_owned()
        }
        (None, HookPoint::After) => {
            "a hook after the run failed: what the run has done stays, and no later run calls the hook for it; do by hand \
             what it was to do"
                .to_owned()
        }
        (Some(what), HookPoint::Before) => {
            format!("a hook before {what} failed, which was not begun: mend what it says and run again")
        }
        (Some(what), HookPoint::After) => format!(
            "a hook after {what} failed: the migration is done and stays, and no later run calls the hook for it; do by hand \
             what it was to do, and run again to go on"
        ),
    }
}

fn are(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

fn all(unmet: &[Unmet]) -> String {
    unmet.iter().map(Unmet::to_string).collect::<Vec<_>>().join(", ")
}

fn list(files: &[String]) -> String {
    files.iter().map(|file| format!("`{file}`")).collect::<Vec<_>>().join(", ")
}

fn findings(findings: &[Finding]) -> String {
    findings.iter().map(Finding::to_string).collect::<Vec<_>>().join("; ")
}

fn nearest(known: &[i64]) -> String {
    match (known.first(), known.last()) {
        (Some(first), Some(last)) => format!(": the set goes from {first} to {last}"),
        _ => ": the set is empty".to_owned(),
    }
}

fn held_by(holder: &Option<Holder>) -> String {
    match holder {
        Some(holder) => format!(": {holder}"),
        None => ", and has gone since: run again".to_owned(),
    }
}

fn still_held(backend: &Option<i32>) -> String {
    let held = |pid| {
        format!("; the lock is still with the pooler: free it with `SELECT pg_terminate_backend({pid})`")
    };
    backend.map(held).unwrap_or_default()
}
