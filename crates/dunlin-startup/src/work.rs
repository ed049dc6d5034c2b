//! What the task of a start does.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use dunlin_core::{Connect, Error, ErrorKind, Migrator, Target};
use tokio::time::{sleep, timeout};

use crate::book::Reading;
use crate::builder::Settings;
use crate::startup::Shared;
use crate::{OverBudget, PutOff};

/// How long it waits before it tries again what may pass, first and at most.
const PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// The same for backfills in the background that have failed.
const BACKFILL_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_BACKFILL_PAUSE: Duration = Duration::from_secs(600);

/// How often the history is read for those who look on, while others may write it.
const LOOK: Duration = Duration::from_secs(2);

/// How long reading it may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many entries of the event log are read.
const EVENTS: u32 = 50;

#[derive(Clone)]
pub(crate) struct Work {
    pub(crate) shared: Arc<Shared>,
    pub(crate) migrator: Migrator,
    pub(crate) connect: Arc<dyn Connect>,
    pub(crate) settings: Settings,
}

impl Work {
    /// The whole task: until the start was told to stop.
    pub(crate) async fn run(self) {
        let looking = self.look_on();
        let working = async {
            self.within_budget(pin!(self.start())).await;
            self.migrator.stop().stopped().await;
        };
        tokio::select! {
            () = working => {}
            () = looking => {}
        }
        self.shared.change(|book| book.end());
    }

    /// Does it, and looks at the clock.
    async fn within_budget(&self, mut start: std::pin::Pin<&mut impl Future<Output = ()>>) {
        if let Some((budget, then)) = self.settings.budget
            && timeout(budget, &mut start).await.is_err()
            && !self.shared.with(|book| book.has_started())
        {
            tracing::warn!(?budget, ?then, "the start takes longer than it should");
            self.shared.change(|book| book.over_budget(budget, then));
            if then == OverBudget::Fail {
                self.migrator.stop().stop();
                let _ = timeout(self.settings.grace, &mut start).await;
                return self.shared.change(|book| book.end());
            }
        }
        start.await;
    }

    /// Migrates, and finishes what was put off.
    async fn start(&self) {
        let migrated = self.patiently(|| self.migrator.run_through(&*self.connect, Target::Latest)).await;
        let report = match migrated {
            Ok(report) => report,
            Err(error) => {
                match error.kind() {
                    ErrorKind::Stopped => tracing::info!(%error, "the start was told to stop"),
                    _ => tracing::error!(%error, "the start has failed"),
                }
                return self.shared.change(|book| book.failed(&error));
            }
        };
        tracing::info!(%report, "the schema is there");
        crate::metrics::ran(&report);
        let has_backfills = self.migrator.set().iter().any(|migration| migration.is_backfill());
        if self.settings.put_off == PutOff::Elsewhere || !has_backfills {
            return self.shared.change(|book| book.migrated(&report, crate::Phase::Done));
        }
        self.shared.change(|book| book.migrated(&report, crate::Phase::Backfilling));
        self.backfill().await;
    }

    /// Finishes what was put off. What fails in the background is tried again: an older program may write rows in the old way for as long
    /// as an upgrade takes, and somebody may mend what has failed.
    async fn backfill(&self) {
        let mut pause = BACKFILL_PAUSE;
        loop {
            let finished = self.patiently(|| self.migrator.finish_backfills(&*self.connect)).await;
            self.refresh(Duration::ZERO).await;
            let Err(error) = finished else { return self.shared.change(|book| book.backfilled()) };
            if error.kind() == ErrorKind::Stopped {
                tracing::info!(%error, "the start was told to stop");
                return self.shared.change(|book| book.failed(&error));
            }
            // With its causes, which say what has failed.
            tracing::error!(?error, "a backfill is not finished");
            if self.settings.put_off == PutOff::BeforeReady {
                return self.shared.change(|book| book.failed(&error));
            }
            self.shared.change(|book| book.not_backfilled(&error));
            if timeout(pause, self.migrator.stop().stopped()).await.is_ok() {
                return self.shared.change(|book| book.failed(&error));
            }
            pause = pause.saturating_mul(2).min(LONGEST_BACKFILL_PAUSE);
        }
    }

    /// Tries again what may pass, until it was told to stop: a server that is not there yet, a lock that is held for long.
    async fn patiently<T, F>(&self, tried: impl Fn() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut pause = PAUSE;
        loop {
            let error = match tried().await {
                Err(error) if may_pass(error.kind()) => error,
                outcome => return outcome,
            };
            tracing::warn!(%error, ?pause, "the start has to wait");
            self.shared.change(|book| book.waits(&error));
            let stop = self.migrator.stop();
            if timeout(pause, stop.stopped()).await.is_ok() {
                return Err(error);
            }
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }

    /// Reads the history now and then for those who look on.
    async fn look_on(&self) {
        loop {
            sleep(LOOK).await;
            if self.shared.is_watched() {
                self.refresh(LOOK / 2).await;
            }
            let (snapshot, backfills) = self.shared.with(|book| (book.snapshot(), book.backfills()));
            crate::metrics::stands(&snapshot);
            crate::metrics::backfills(&backfills);
        }
    }

    /// Reads the history, unless what is known of it is younger than `age`. However many ask at once, it is read once.
    pub(crate) async fn refresh(&self, age: Duration) {
        let _reading = self.shared.reading.lock().await;
        if !self.shared.with(|book| book.is_older_than(age)) {
            return;
        }
        let read = async {
            let connection = self.connect.connect().await?;
            let status = self.migrator.status(&connection).await?;
            // The application's role may be allowed less than the history; what it can't see is left out.
            let events = self.migrator.events(&connection, EVENTS).await.unwrap_or_default();
            connection.close().await;
            let backfills = self.migrator.backfills(&*self.connect).await.unwrap_or_default();
            Ok(Reading { status, events, backfills })
        };
        let read: Result<Result<Reading, Error>, _> = timeout(PATIENCE, read).await;
        self.shared.change(|book| match read {
            Ok(Ok(reading)) => book.read(reading),
            Ok(Err(error)) => book.not_read(error.to_string()),
            Err(_) => book.not_read(format!("the server has not answered within {} s", PATIENCE.as_secs())),
        });
    }
}

/// Whether it may go well another time, without anybody's doing anything about the migrations.
fn may_pass(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Connect | ErrorKind::Connection | ErrorKind::LockTimeout)
}
