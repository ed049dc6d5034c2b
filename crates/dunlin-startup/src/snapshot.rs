use std::fmt;
use std::time::{Duration, SystemTime};

use dunlin_core::{BackfillState, Direction, Location, MigrationId, State};
use serde::Serialize;

/// All that is known of a start at one moment: what the page shows, what `/migrations` answers, and what a terminal or a log may
/// be made of.
///
/// It holds no SQL text, no row value and no secret. As JSON, durations and times are microseconds (`..._us`; times since the
/// beginning of 1970, UTC).
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Snapshot {
    /// What is being done.
    pub phase: Phase,
    /// Whether the service may be sent requests.
    pub ready: bool,
    /// What stands between here and ready, in one sentence for people; nothing when it is ready.
    pub reason: Option<String>,
    /// How the database stands against the program's migrations, as far as it is known.
    pub state: Option<State>,
    /// The application and its version, if the migrator names it.
    pub application: Option<String>,
    /// When this was true, by the clock of this process.
    #[serde(rename = "at_us", serialize_with = "crate::serial::since_1970")]
    pub at: SystemTime,
    /// When the process began with it.
    #[serde(rename = "started_at_us", serialize_with = "crate::serial::since_1970")]
    pub started_at: SystemTime,
    /// How long it has taken: until now, or until it came to its end.
    #[serde(rename = "took_us", serialize_with = "crate::serial::microseconds")]
    pub took: Duration,
    /// How long it has waited for the migration lock in all.
    #[serde(rename = "lock_waited_us", serialize_with = "crate::serial::microseconds")]
    pub lock_waited: Duration,
    /// How often a migration was tried again.
    pub retries: u64,
    /// Who has the migration lock, while this process waits for it.
    pub lock: Option<LockWait>,
    /// The migration that this process runs.
    pub running: Option<Running>,
    /// Why it has ended, if it has failed.
    pub failure: Option<Failure>,
    /// Every migration of the program, and those that the database holds beside: in the order in which they were applied, then in
    /// that in which they will be.
    pub steps: Vec<Step>,
    /// The backfills that are known, in the order of their migrations.
    pub backfills: Vec<Backfill>,
    /// How the history and the program differ, a sentence each.
    pub findings: Vec<String>,
    /// What has happened, oldest first: what this process saw, and what the event log of the database holds.
    pub events: Vec<Event>,
    /// When the history was last read.
    #[serde(rename = "read_at_us", serialize_with = "crate::serial::optional_since_1970")]
    pub read_at: Option<SystemTime>,
    /// Why the history could not be read when that was last tried.
    pub unread: Option<String>,
}

impl Snapshot {
    /// One of a start that begins at this moment and knows nothing yet.
    #[must_use]
    pub fn new(started_at: SystemTime) -> Self {
        Self {
            phase: Phase::Starting,
            ready: false,
            reason: Some(Phase::Starting.to_string()),
            state: None,
            application: None,
            at: started_at,
            started_at,
            took: Duration::ZERO,
            lock_waited: Duration::ZERO,
            retries: 0,
            lock: None,
            running: None,
            failure: None,
            steps: Vec::new(),
            backfills: Vec::new(),
            findings: Vec::new(),
            events: Vec::new(),
            read_at: None,
            unread: None,
        }
    }

    /// How many steps are in this state.
    #[must_use]
    pub fn count(&self, state: StepState) -> usize {
        self.steps.iter().filter(|step| step.state == state).count()
    }
}

/// What a start is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// It has begun, and looks at the database.
    Starting,
    /// The server can't be reached; it is tried again.
    WaitingForServer,
    /// Another process migrates.
    WaitingForLock,
    /// Migrations run in this process.
    Migrating,
    /// The schema is there; backfills that were put off are finished.
    Backfilling,
    /// There is nothing left to do.
    Done,
    /// It has failed, and stays so until the process starts anew.
    Failed,
    /// It was asked to stop, and does so.
    Stopping,
    /// It has stopped before it was done; another process goes on.
    Stopped,
}

impl Phase {
    /// The word that it is in JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::WaitingForServer => "waiting_for_server",
            Self::WaitingForLock => "waiting_for_lock",
            Self::Migrating => "migrating",
            Self::Backfilling => "backfilling",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for Phase {
    /// A few words for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Starting => "looking at the database",
            Self::WaitingForServer => "waiting for the server",
            Self::WaitingForLock => "waiting for another process that migrates",
            Self::Migrating => "migrating",
            Self::Backfilling => "finishing backfills",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped before it was done",
        })
    }
}

/// A migration and how it stands.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Step {
    /// Version and name.
    #[serde(flatten)]
    pub id: MigrationId,
    /// How it stands.
    pub state: StepState,
    /// Whether it was verified, and how that went.
    pub verdict: Verdict,
    /// When it was applied, by the server's clock.
    #[serde(rename = "applied_at_us", serialize_with = "crate::serial::optional_since_1970")]
    pub applied_at: Option<SystemTime>,
    /// How long it took on the server.
    #[serde(rename = "took_us", serialize_with = "crate::serial::optional_microseconds")]
    pub took: Option<Duration>,
    /// The application that applied it.
    pub application: Option<String>,
    /// How many statements of a migration outside a transaction are done, where it is half applied.
    pub statements_done: Option<usize>,
}

impl Step {
    /// A migration that stands so, and of which nothing else is known.
    #[must_use]
    pub fn new(id: MigrationId, state: StepState) -> Self {
        Self {
            id,
            state,
            verdict: Verdict::None,
            applied_at: None,
            took: None,
            application: None,
            statements_done: None,
        }
    }
}

/// How a migration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepState {
    /// It is applied.
    Applied,
    /// This process runs it.
    Running,
    /// It was begun outside a transaction and has not come to its end: another process runs it, or the next run goes on with it.
    HalfApplied,
    /// It will be applied.
    Pending,
    /// It has failed in this process.
    Failed,
    /// It is applied, and newer than all that this program knows.
    Ahead,
    /// It is applied, this program does not know it, and knows later ones.
    Missing,
}

impl fmt::Display for StepState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Applied => "applied",
            Self::Running => "running",
            Self::HalfApplied => "half applied",
            Self::Pending => "pending",
            Self::Failed => "failed",
            Self::Ahead => "ahead",
            Self::Missing => "missing",
        })
    }
}

/// What is known of whether a migration did what it should.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// It does not say how to verify it, or that is not known.
    #[default]
    None,
    /// It says how, and has not been verified by this process.
    Unverified,
    /// It was verified when it was applied, or since.
    Verified,
    /// It was verified and is not as it should be.
    Failed,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "no verification",
            Self::Unverified => "not verified by this process",
            Self::Verified => "verified",
            Self::Failed => "verification failed",
        })
    }
}

/// A wait for the migration lock.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct LockWait {
    /// For how long.
    #[serde(rename = "waited_us", serialize_with = "crate::serial::microseconds")]
    pub waited: Duration,
    /// Who has it, in a few words without any SQL: its process, application, address and for how long it has been connected. It
    /// is asked for after a second.
    pub holder: Option<String>,
}

impl LockWait {
    /// A wait for so long.
    #[must_use]
    pub fn new(waited: Duration, holder: Option<String>) -> Self {
        Self { waited, holder }
    }
}

/// A migration that runs.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Running {
    /// Version and name.
    #[serde(flatten)]
    pub id: MigrationId,
    /// Up or down.
    pub direction: Direction,
    /// For how long.
    #[serde(rename = "elapsed_us", serialize_with = "crate::serial::microseconds")]
    pub elapsed: Duration,
    /// Which statement runs, from 1, and of how many, where it runs outside a transaction.
    pub statement: Option<(usize, usize)>,
    /// How often it was tried again.
    pub retries: u64,
    /// Who was in its way when it was last tried, without any SQL.
    pub blockers: Vec<String>,
    /// The index that it builds.
    pub build: Option<Build>,
    /// Units of work that it says are done, and in all.
    pub advanced: Option<(u64, u64)>,
    /// Units of work in a second.
    pub rate: Option<f64>,
    /// How long the rest takes at that rate.
    #[serde(rename = "left_us", serialize_with = "crate::serial::optional_microseconds")]
    pub left: Option<Duration>,
}

impl Running {
    /// One that has just begun.
    #[must_use]
    pub fn new(id: MigrationId, direction: Direction) -> Self {
        Self {
            id,
            direction,
            elapsed: Duration::ZERO,
            statement: None,
            retries: 0,
            blockers: Vec::new(),
            build: None,
            advanced: None,
            rate: None,
            left: None,
        }
    }

    /// How much of it is done, from 0 to 1: of the index that it builds, or of the work that it counts.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        match (&self.build, self.advanced) {
            (Some(build), _) => build.share(),
            (None, Some((done, total))) => share(done, total),
            (None, None) => None,
        }
    }
}

/// An index that is built concurrently.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Build {
    /// What the server does, in its words.
    pub phase: String,
    /// How much of this phase is done.
    pub done: u64,
    /// How much it is in all; 0 where the server does not say.
    pub total: u64,
    /// The process of the session that it waits for.
    pub waits_for: Option<i32>,
}

impl Build {
    /// A build in this phase, of which so much is done.
    #[must_use]
    pub fn new(phase: impl Into<String>, done: u64, total: u64, waits_for: Option<i32>) -> Self {
        Self { phase: phase.into(), done, total, waits_for }
    }

    /// How much of the phase is done, from 0 to 1.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        share(self.done, self.total)
    }
}

/// A backfill that was put off, or is under way.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Backfill {
    /// Its migration.
    #[serde(flatten)]
    pub id: MigrationId,
    /// How it stands.
    pub state: BackfillState,
    /// Rows that were looked at.
    pub done: u64,
    /// Rows in all, as far as it is known.
    pub total: u64,
    /// Rows in a second.
    pub rate: Option<f64>,
    /// How long the rest takes at that rate.
    #[serde(rename = "left_us", serialize_with = "crate::serial::optional_microseconds")]
    pub left: Option<Duration>,
    /// What it waits for, or why it has failed.
    pub note: Option<String>,
}

impl Backfill {
    /// A backfill that stands so.
    #[must_use]
    pub fn new(id: MigrationId, state: BackfillState, done: u64, total: u64) -> Self {
        Self { id, state, done, total, rate: None, left: None, note: None }
    }

    /// How much is done, from 0 to 1.
    #[must_use]
    pub fn share(&self) -> f64 {
        match self.state {
            BackfillState::Finished => 1.0,
            _ => share(self.done, self.total).unwrap_or(0.0),
        }
    }
}

/// Why a start has failed.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Failure {
    /// The whole sentence: which migration, where, what is wrong and what to do.
    pub text: String,
    /// What kind of failure, in one word: the name of the [`ErrorKind`](dunlin_core::ErrorKind).
    pub kind: String,
    /// The migration that it is about.
    pub migration: Option<MigrationId>,
    /// The place in its file.
    pub location: Option<Location>,
    /// The SQLSTATE.
    pub code: Option<String>,
    /// Who was in the way.
    pub blockers: Vec<String>,
}

impl Failure {
    /// A failure of which this is said.
    #[must_use]
    pub fn new(text: impl Into<String>, kind: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            kind: kind.into(),
            migration: None,
            location: None,
            code: None,
            blockers: Vec::new(),
        }
    }
}

/// Something that has happened.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Event {
    /// When.
    #[serde(rename = "at_us", serialize_with = "crate::serial::since_1970")]
    pub at: SystemTime,
    /// What, in a word: `applied`, `reverted`, `failed`, `retrying`, `waiting`...
    pub what: String,
    /// The migration that it is about.
    pub migration: Option<MigrationId>,
    /// More about it, in a few words.
    pub detail: Option<String>,
    /// The application that it happened in, where the database's event log says so; nothing for what this process saw.
    pub application: Option<String>,
}

impl Event {
    /// Something that has happened then.
    #[must_use]
    pub fn new(at: SystemTime, what: impl Into<String>) -> Self {
        Self { at, what: what.into(), migration: None, detail: None, application: None }
    }
}

fn share(done: u64, total: u64) -> Option<f64> {
    #[expect(clippy::as_conversions, reason = "a share need not be exact past 2^52")]
    let share = |done: u64, total: u64| done as f64 / total as f64;
    (total > 0).then(|| share(done.min(total), total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_never_more_than_all() {
        assert_eq!(Build::new("building", 3, 4, None).share(), Some(0.75));
        assert_eq!(Build::new("building", 5, 4, None).share(), Some(1.0));
        assert_eq!(Build::new("waiting", 0, 0, None).share(), None);
        let backfill = |state| Backfill::new(MigrationId::new(1, "fill"), state, 1, 2).share();
        assert_eq!((backfill(BackfillState::Running), backfill(BackfillState::Finished)), (0.5, 1.0));
    }

    #[test]
    fn a_phase_is_the_same_word_in_json() {
        for phase in [Phase::Starting, Phase::WaitingForServer, Phase::WaitingForLock, Phase::Done] {
            assert_eq!(serde_json::to_value(phase).unwrap(), phase.as_str());
        }
    }
}
