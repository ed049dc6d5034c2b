use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::{Direction, MigrationId};

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
    },
    /// A migration starts.
    #[non_exhaustive]
    Started {
        /// The migration.
        id: &'a MigrationId,
        /// Up or down.
        direction: Direction,
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
    },
}

/// Who is told about progress, if anybody.
#[derive(Clone, Default)]
pub(crate) struct Observer(Option<Arc<Callback>>);

type Callback = dyn Fn(Progress<'_>) + Send + Sync;

impl Observer {
    pub(crate) fn new(observer: impl Fn(Progress<'_>) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(observer)))
    }

    pub(crate) fn notify(&self, progress: Progress<'_>) {
        if let Some(observer) = &self.0 {
            observer(progress);
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Some(..)" } else { "None" })
    }
}
