use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::blocker::Blocker;
use crate::plan::Plan;
use crate::{Direction, HookPoint, MigrationId};

/// What a run is doing, as it does it.
///
/// Plain-SQL migrations that travel in one flight are told one after the other when their records arrive.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// Another runner holds the lock.
    #[non_exhaustive]
    WaitingForLock {
        /// How long this run has been waiting.
        waited: Duration,
        /// Who has it, as far as it is known: it is asked for after a second, and every ten from then on.
        holder: Option<&'a Blocker>,
    },
    /// The run has the lock, and knows what it will do.
    #[non_exhaustive]
    Planned {
        /// What it will do.
        plan: &'a Plan,
    },
    /// A migration starts.
    #[non_exhaustive]
    Started {
        /// The migration.
        id: &'a MigrationId,
        /// Up or down.
        direction: Direction,
    },
    /// What the run requires is checked.
    #[non_exhaustive]
    Checking {
        /// How many requirements there are.
        requirements: usize,
    },
    /// A hook is called: around a run, or around a migration.
    #[non_exhaustive]
    Hook {
        /// Before or after.
        point: HookPoint,
        /// The migration; nothing for the run.
        id: Option<&'a MigrationId>,
    },
    /// A statement of a migration outside a transaction starts. The statements of one inside a transaction travel together, and the
    /// server does not tell which of them it is at.
    #[non_exhaustive]
    Statement {
        /// The migration.
        id: &'a MigrationId,
        /// Which statement of it, from 1.
        number: usize,
        /// How many it has.
        of: usize,
    },
    /// A migration reports its own progress.
    #[non_exhaustive]
    Advanced {
        /// The migration.
        id: &'a MigrationId,
        /// Units of work that are done.
        done: u64,
        /// Units of work in all.
        total: u64,
    },
    /// An index is built or rebuilt concurrently, as `pg_stat_progress_create_index` tells. Told about twice a second, from
    /// half a second on, by runs that open their own connections.
    #[non_exhaustive]
    Building {
        /// The migration.
        id: &'a MigrationId,
        /// What the server is doing, in its words: `building index: scanning table`, `waiting for old snapshots`...
        phase: &'a str,
        /// How much of this phase is done.
        done: u64,
        /// How much it is in all: blocks, tuples, or, while it waits, other sessions. 0 where the server does not tell.
        total: u64,
        /// The process of the session whose transaction it waits for.
        waits_for: Option<i32>,
    },
    /// A migration requires a backfill that is not finished: it is finished now, or waited for.
    #[non_exhaustive]
    Gated {
        /// The migration that requires it.
        id: &'a MigrationId,
        /// The migration that is the backfill.
        backfill: &'a MigrationId,
    },
    /// A migration was applied or reverted, and recorded.
    #[non_exhaustive]
    Finished {
        /// The migration.
        id: &'a MigrationId,
        /// Up or down.
        direction: Direction,
        /// How long it took on the server.
        took: Duration,
    },
    /// The connection was lost, or the server takes none yet: the run connects again and goes on with what the history
    /// says.
    #[non_exhaustive]
    Reconnecting {
        /// How long the runner sleeps before it tries.
        pause: Duration,
    },
    /// A migration met a lock, a deadlock or a serialization failure and is tried again.
    #[non_exhaustive]
    Retrying {
        /// The migration.
        id: &'a MigrationId,
        /// The SQLSTATE that it met.
        code: &'a str,
        /// How long the runner sleeps before it tries again.
        pause: Duration,
        /// Who has held what it waits for, as far as it is known: from the second try on, in runs that open their own
        /// connections.
        blockers: &'a [Blocker],
    },
}

/// Who is told about progress.
#[derive(Clone, Default)]
pub(crate) struct Observers(Vec<Arc<Callback>>);

type Callback = dyn Fn(Progress<'_>) + Send + Sync;

impl Observers {
    pub(crate) fn add(&mut self, observer: impl Fn(Progress<'_>) + Send + Sync + 'static) {
        self.0.push(Arc::new(observer));
    }

    pub(crate) fn is_there(&self) -> bool {
        !self.0.is_empty()
    }

    pub(crate) fn notify(&self, progress: Progress<'_>) {
        for observer in &self.0 {
            observer(progress);
        }
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observers").field(&self.0.len()).finish()
    }
}
