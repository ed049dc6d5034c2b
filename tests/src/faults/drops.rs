//! A future that is dropped: at each poll, and while a statement runs.

use std::{
    fmt,
    time::{Duration, Instant},
};

use dunlin::BoxError;

use tokio_postgres::Client;

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

/// How long a run may take that is dropped.
const PATIENCE: Duration = Duration::from_secs(90);

/// How long the connection is used afterwards.
const AFTERWARDS: Duration = Duration::from_millis(50);

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
        let freed = match &prepared {
            // Whoever has dropped the future has a use for the connection at once.
            Prepared::Caller(client) if was_dropped => {
                tokio::try_join!(Open::until(&observer, Open::is_free), go_on(client))?.0
            }
            _ => Open::until(&observer, Open::is_free).await?,
        };
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
    async fn drop_there(&self, prepared: &mut Prepared, observer: &Client) -> Result<bool, BoxError> {
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

/// Uses a connection whose run was dropped, as its owner would: nothing is set, and nothing is cancelled.
async fn go_on(client: &Client) -> Result<(), BoxError> {
    let began = Instant::now();
    while began.elapsed() < AFTERWARDS {
        let settings = client.query(SETTINGS, &[]).await?;
        if let Some(row) = settings.first() {
            let name: &str = row.get(0);
            return Err(format!("the connection goes on with {name} set").into());
        }
    }
    Ok(())
}

/// What is set otherwise than when the session began, apart from what the client does.
const SETTINGS: &str =
    "SELECT name FROM pg_settings WHERE source = 'session' AND setting <> coalesce(reset_val, '')";

impl fmt::Display for DroppedRun {
    /// `pool, poll 12, sent`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.runner, self.place)
    }
}
