use std::time::{Duration, Instant};

use crate::blocker::Blocker;
use crate::jitter::Jitter;
use crate::lock::{Holder, LockKey};
use crate::progress::{Observers, Progress};
use crate::wire::Wire;
use crate::{Error, Migrator, Stop};

/// A wait that has a deadline, tells somebody about itself, and ends when the run is asked to stop.
pub(crate) struct Wait<'a> {
    began: Instant,
    deadline: Duration,
    observers: &'a Observers,
    stop: &'a Stop,
    holder: Option<Blocker>,
    /// When it is asked for again who has the lock.
    asks: Duration,
}

/// How long it waits until it asks who has the lock, and how long until it does so again.
const ASK: Duration = Duration::from_secs(1);
const ASK_AGAIN: Duration = Duration::from_secs(10);

impl<'a> Wait<'a> {
    pub(crate) fn new(migrator: &'a Migrator, deadline: Duration) -> Self {
        Self {
            began: Instant::now(),
            deadline,
            observers: &migrator.observer,
            stop: &migrator.stop,
            holder: None,
            asks: ASK,
        }
    }

    /// How long it may wait in all.
    pub(crate) fn deadline(&self) -> Duration {
        self.deadline
    }

    pub(crate) fn waited(&self) -> Duration {
        self.began.elapsed()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.waited() >= self.deadline
    }

    /// Waits for the next try.
    pub(crate) async fn pause(&mut self) -> Result<(), Error> {
        let waited = self.waited();
        let pause = Jitter::polling(waited);
        self.observers.notify(Progress::WaitingForLock { waited, holder: self.holder.as_ref() });
        self.stop.sleep(pause.min(self.deadline.saturating_sub(waited))).await;
        if self.stop.is_stopped() { Err(Error::stopped(None)) } else { Ok(()) }
    }

    /// Asks who has the lock, if somebody wants to know and it is time to.
    pub(crate) async fn look(&mut self, key: LockKey, wire: &Wire<'_>) {
        let waited = self.waited();
        if self.observers.is_there() && waited >= self.asks {
            self.asks = waited.saturating_add(ASK_AGAIN);
            // Nothing depends on it.
            let rows = wire.rows(&key.holder()).await.unwrap_or_default();
            self.holder = rows.first().map(|row| Blocker::of_holder(Holder::of(row)));
        }
    }
}
