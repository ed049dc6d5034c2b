use std::fmt;
use std::time::{Duration, SystemTime};

use dunlin_core::{BackfillState, Location, MigrationId, State};
use serde::Serialize;

use crate::running::share;
use crate::{Running, Step, StepState};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Build;

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
