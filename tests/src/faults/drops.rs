//! A future that is dropped: at each poll, and while a statement runs.

use std::{fmt, time::Duration};

use dunlin::BoxError;

use crate::{
    database,
    faults::{
        drop_at::{DropAt, Dropped},
        footprint::{Open, witness},
        part::Part,
        peace::Peace,
        place::Place,
        runner::{Prepared, Runner},
        sweep::{Outcome, Tally, Trial, sweep},
    },
};

/// Whether `Migrator::run` frees the lock of the caller's connection when its future is dropped. If not, the caller has to
/// close the connection.
const FREES_THE_CALLERS: bool = false;

/// How long a run may take that is dropped.
const PATIENCE: Duration = Duration::from_secs(90);

/// Drops the future at each poll, at once, when what it has sent is on its way and when it would be polled again; and while
/// a statement runs that would take seconds. Lock and transaction must be free within the bound.
///
/// # Errors
/// When a run in peace does not do what it should.
pub async fn drops(part: Part, bound: Duration) -> Result<Tally, BoxError> {
    let mut points = Vec::new();
    for runner in Runner::ALL {
        let database = database().await;
        let mut prepared = runner.prepare(&database.config()).await?;
        let (polls, report) = DropAt::count(prepared.run()).await;
        report?;
        points.extend(Place::all(polls).map(|place| DroppedRun { runner, place, bound }));
    }
    Ok(sweep("drops", part.of(points), Peace::of(Runner::Boot).await?).await)
}

/// A run whose future is dropped.
struct DroppedRun {
    runner: Runner,
    place: Place,
    bound: Duration,
}

impl Trial for DroppedRun {
    async fn try_out(self, peace: &Peace) -> Result<Outcome, BoxError> {
        let database = database().await;
        let mut config = database.config();
        let (observer, other) = (witness(&config).await?, witness(&config).await?);
        self.place.obstruct(&other).await?;
        if let Place::Nap(nap) = self.place {
            config.options(nap.option());
        }
        let mut prepared = self.runner.prepare(&config).await?;
        let was_dropped = tokio::time::timeout(PATIENCE, self.drop_there(&mut prepared, &observer)).await??;
        if let Prepared::Caller(_, connection) = &prepared
            && !FREES_THE_CALLERS
        {
            connection.abort();
        }
        let freed = Open::until(&observer, Open::is_free).await?;
        if freed > self.bound {
            return Err(format!("lock and transaction were free after {freed:?} only").into());
        }
        drop((prepared, other));
        peace.footprint.converges(&database.config()).await?;
        database.drop().await?;
        Ok(if was_dropped { Outcome::Freed(freed) } else { Outcome::Missed })
    }
}

impl DroppedRun {
    /// Runs to the place and drops the future. False when the run has ended before.
    async fn drop_there(
        &self,
        prepared: &mut Prepared,
        observer: &tokio_postgres::Client,
    ) -> Result<bool, BoxError> {
        if let Place::Poll(place) = self.place {
            return match place.run(prepared.run()).await {
                Ok(report) => Ok(report.map(|_| false)?),
                Err(Dropped) => Ok(true),
            };
        }
        tokio::select! {
            report = prepared.run() => Ok(report.map(|_| false)?),
            reached = self.place.reached(observer) => reached.map(|()| true),
        }
    }
}

impl fmt::Display for DroppedRun {
    /// `pool, poll 12, sent`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.runner, self.place)
    }
}
