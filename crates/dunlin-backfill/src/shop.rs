use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use dunlin_core::{Connect, Connection, Migrator};
use tokio_postgres::Client;

use crate::Settings;
use crate::desk::Desk;
use crate::error::Fault;
use crate::job::Job;
use crate::ledger::{Counts, Ledger};
use crate::shape::Shape;
use crate::trouble::Trouble;

/// What all workers of a backfill share.
pub(crate) struct Shop<'a> {
    pub(crate) job: &'a dyn Job,
    pub(crate) migrator: &'a Migrator,
    pub(crate) connect: Option<&'a dyn Connect>,
    /// Where there are no other connections.
    pub(crate) client: &'a Client,
    pub(crate) ledger: Ledger,
    pub(crate) shape: Shape,
    pub(crate) settings: Settings,
    /// Somebody has failed: the others end when they have written their batch.
    pub(crate) stop: AtomicBool,
    /// When the time is up that this call has, if there is an end to it.
    pub(crate) until: Option<Instant>,
    /// For how long the workers have waited for what.
    pub(crate) slept: Mutex<BTreeMap<String, Duration>>,
    /// Called after each batch.
    pub(crate) tell: &'a (dyn Fn(Counts) + Send + Sync),
}

impl<'a> Shop<'a> {
    /// Whether the workers of this call are to end.
    pub(crate) fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
            || self.migrator.stop().is_stopped()
            || self.until.is_some_and(|until| until <= Instant::now())
    }

    /// Counts a wait for a signal.
    pub(crate) fn note_slept(&self, signal: &str, pause: Duration) {
        let mut slept = self.slept.lock().unwrap_or_else(PoisonError::into_inner);
        let of_signal = slept.entry(signal.to_owned()).or_default();
        *of_signal = of_signal.saturating_add(pause);
    }

    /// Opens what a worker writes with, and what it reads with meanwhile, if it does.
    pub(crate) async fn desks(&self) -> Result<(Desk<'a>, Option<Desk<'a>>), Trouble> {
        let Some(connect) = self.connect else { return Ok((Desk::lent(self.client).await?, None)) };
        let writer = Desk::own(open(self.migrator, connect).await?).await?;
        if self.ledger.statements.locks {
            return Ok((writer, None));
        }
        let reader = Desk::own(open(self.migrator, connect).await?).await?;
        Ok((writer.plan_once().await?, Some(reader)))
    }
}

async fn open(migrator: &Migrator, connect: &dyn Connect) -> Result<Connection, Trouble> {
    migrator.open(connect).await.map_err(|error| Fault::Core(error).into())
}
