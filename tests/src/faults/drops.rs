//! A future that is dropped: at each poll, and while a statement runs.

use std::{fmt, sync::Arc, time::Duration};

use dunlin::BoxError;
use tokio_postgres::Client;

use crate::{
    database,
    faults::{
        drop_at::{DropAt, Dropped, Moment},
        footprint::{Footprint, Open, witness},
        part::Part,
        runner::{Prepared, Runner},
        scenario::Nap,
        sweep::{Outcome, Tally, sweep},
    },
};

/// Whether `Migrator::run` frees the lock of the caller's connection when its future is dropped. If not, the caller has to
/// close the connection.
const FREES_THE_CALLERS: bool = false;

/// How long a run may take to come to where it is dropped.
const PATIENCE: Duration = Duration::from_secs(60);

/// Drops the future at each poll, at once, when what it has sent is on its way and when it would be polled again; and while
/// a statement runs that would take seconds. Lock and transaction must be free within the bound.
///
/// # Errors
/// When a run in peace does not do what it should.
pub async fn drops(part: Part, bound: Duration) -> Result<Tally, BoxError> {
    let mut points = Vec::new();
    let mut footprint = None;
    for runner in Runner::ALL {
        let database = database().await;
        let mut prepared = runner.prepare(&database.config()).await?;
        let (polls, report) = DropAt::count(prepared.run()).await;
        report?;
        drop(prepared);
        footprint = Some(Footprint::of_peace(&database).await?);
        // Some runs take some more polls than others.
        for poll in 1..=polls.saturating_add(3) {
            let point = |moment| Point { runner, place: Place::Poll(DropAt { poll, moment }) };
            points.extend(Moment::ALL.map(point));
        }
        points.extend(Nap::ALL.map(|nap| Point { runner, place: Place::Nap(nap) }));
        points.push(Point { runner, place: Place::Index });
    }
    let footprint = Arc::new(footprint.ok_or("there are no runners")?);
    let trial = move |point: Point| {
        let footprint = Arc::clone(&footprint);
        async move { point.try_out(&footprint, bound).await }
    };
    Ok(sweep("drops", part.of(points), trial).await)
}

/// Where a run is dropped.
struct Point {
    runner: Runner,
    place: Place,
}

enum Place {
    Poll(DropAt),
    /// While a statement sleeps.
    Nap(Nap),
    /// While the concurrent index waits for somebody's transaction.
    Index,
}

impl Point {
    async fn try_out(self, peace: &Footprint, bound: Duration) -> Result<Outcome, BoxError> {
        let database = database().await;
        let mut config = database.config();
        let observer = witness(&config).await?;
        let other = witness(&config).await?;
        if let Place::Nap(nap) = self.place {
            nap.in_sessions_of(&mut config);
        }
        let mut prepared = self.runner.prepare(&config).await?;
        let was_dropped = match self.place {
            Place::Poll(place) => match tokio::time::timeout(PATIENCE, place.run(prepared.run())).await? {
                Ok(report) => report.map(|_| false)?,
                Err(Dropped) => true,
            },
            Place::Nap(_) => drop_when(&mut prepared, &observer, "wait_event = 'PgSleep'").await?,
            Place::Index => {
                other.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1").await?;
                drop_when(&mut prepared, &observer, "wait_event = 'virtualxid'").await?
            }
        };
        if let Prepared::Caller(_, connection) = &prepared
            && !FREES_THE_CALLERS
        {
            connection.abort();
        }
        let freed = Open::until(&observer, Open::is_free).await?;
        if freed > bound {
            return Err(format!("lock and transaction were free after {freed:?} only").into());
        }
        drop((prepared, other));
        peace.converges(&database.config()).await?;
        database.drop().await?;
        Ok(if was_dropped { Outcome::Freed(freed) } else { Outcome::Missed })
    }
}

/// Runs until a session is in a state of `pg_stat_activity`.
async fn drop_when(prepared: &mut Prepared, observer: &Client, state: &str) -> Result<bool, BoxError> {
    let sql =
        format!("SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND {state}");
    let seen = async {
        while !observer.query_one(&sql, &[]).await?.get::<_, bool>(0) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok::<_, tokio_postgres::Error>(true)
    };
    tokio::select! {
        report = prepared.run() => Err(format!("the run has ended before {state}: {}", report?).into()),
        seen = tokio::time::timeout(PATIENCE, seen) => Ok(seen??),
    }
}

impl fmt::Display for Point {
    /// `pool, poll 12, sent`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, ", self.runner)?;
        match self.place {
            Place::Poll(place) => place.fmt(f),
            Place::Nap(nap) => write!(f, "asleep in {nap:?}"),
            Place::Index => f.write_str("the index waits"),
        }
    }
}
