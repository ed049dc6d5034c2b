use std::sync::Arc;

use tokio::sync::watch;

use crate::{Snapshot, Startup};

/// The snapshots of a start, as it goes on. Made by [`Startup::progress`].
///
/// Who is slow is told the latest alone: nothing is kept for anybody.
#[derive(Debug)]
pub struct Changes {
    startup: Startup,
    told: watch::Receiver<u64>,
    /// Says that somebody looks on: the history is read now and then for it, where other processes write it.
    _watches: Arc<()>,
    is_first: bool,
}

impl Changes {
    pub(crate) fn new(startup: Startup, told: watch::Receiver<u64>, watches: Arc<()>) -> Self {
        Self { startup, told, _watches: watches, is_first: true }
    }

    /// The first one at once, and then each time that something has changed. It has no end: after the start it waits.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future misses nothing: the next call gives what has changed meanwhile.
    pub async fn next(&mut self) -> Snapshot {
        if self.is_first {
            self.is_first = false;
            self.told.borrow_and_update();
        } else if self.told.changed().await.is_err() {
            // What is held here keeps the sender.
            std::future::pending::<()>().await;
        }
        self.startup.snapshot()
    }
}
