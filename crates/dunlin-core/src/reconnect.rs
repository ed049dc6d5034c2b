//! A run that outlives its connections: the outcome of what was under way is read, never guessed.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::future::{Either, select};
use tracing::Instrument as _;

use crate::connect::{Connect, Connection, Direct, Tls};
use crate::jitter::Jitter;
use crate::look::Look;
use crate::progress::Progress;
use crate::run::{Run, Trip, Work};
use crate::wire::Wire;
use crate::{Error, ErrorKind, Migrator, Pooler, Report, Target, spans};

/// How often in a row a connection may be lost without a migration getting done. One that was lost while migrations ran
/// counts three times: whatever loses it may be the migration.
const MOST_LOSSES: u32 = 9;

/// How long opening a connection may take, whatever the deadline.
const LEAST_PATIENCE: Duration = Duration::from_secs(10);

/// Opens a connection, takes the database to the latest migration and closes the connection.
///
/// This is what a service calls on boot. Where there is nothing to do it costs a connection and one flight. A connection
/// that is lost on the way, at whatever point, is made again: the history says what was done, and the run goes on.
///
/// # Errors
///
/// As [`Migrator::run`], and [`ErrorKind::Connect`](crate::ErrorKind::Connect).
///
/// # Cancel safety
///
/// Dropping the future closes the connection and asks the server to cancel what runs: neither a transaction nor the lock
/// stays. What was committed is in the history, and the next run goes on.
pub async fn migrate<T: Tls>(
    config: &tokio_postgres::Config,
    tls: T,
    migrator: &Migrator,
) -> Result<Report, Error> {
    migrate_to(config, tls, migrator, Target::Latest).await
}

/// [`migrate`] to another target.
///
/// # Errors
///
/// As [`migrate`].
///
/// # Cancel safety
///
/// As [`migrate`].
pub async fn migrate_to<T: Tls>(
    config: &tokio_postgres::Config,
    tls: T,
    migrator: &Migrator,
    target: Target,
) -> Result<Report, Error> {
    migrator.run_through(&Direct::new(config.clone(), tls), target).await
}

impl Migrator {
    /// [`run`](Self::run) on connections that `connect` opens.
    ///
    /// A connection that is lost, at whatever point, a COMMIT included, is replaced: the run takes the lock again, reads
    /// what was done, and goes on. That ends with the [`deadline`](Self::deadline), or when the connection was lost three
    /// times in a row while migrations ran and none got done (nine times where none ran). A first connection that can't be
    /// had is an error at once, unless the server says that it is starting up or has too many clients.
    ///
    /// ```no_run
    /// # async fn boot(set: dunlin_core::MigrationSet) -> Result<(), Box<dyn std::error::Error>> {
    /// use dunlin_core::{Direct, Migrator, Target};
    /// use tokio_postgres::NoTls;
    ///
    /// let connect = Direct::new("host=db user=orders".parse()?, NoTls);
    /// let migrator = Migrator::new(set);
    /// let report = migrator.run_through(&connect, Target::Latest).await?;
    /// println!("{report}\n{}", migrator.diagnose(&connect).await?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), and [`ErrorKind::Connect`](crate::ErrorKind::Connect).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connections and asks the server to cancel what runs: neither a transaction nor the
    /// lock stays. What was committed is in the history, and the next run goes on.
    pub async fn run_through(&self, connect: &dyn Connect, target: Target) -> Result<Report, Error> {
        self.check_build()?;
        // Boxed for the reason that `Run::on` is.
        Box::pin(endure(self, connect, target)).await
    }
}

async fn endure(migrator: &Migrator, connect: &dyn Connect, target: Target) -> Result<Report, Error> {
    let trip = Trip::new(migrator);
    let span = spans::run(migrator, &trip.name);
    let outcome = endure_with(migrator, connect, target, trip).instrument(span.clone()).await;
    spans::end_run(&span, &outcome);
    outcome
}

async fn endure_with(
    migrator: &Migrator,
    connect: &dyn Connect,
    target: Target,
    mut trip: Trip,
) -> Result<Report, Error> {
    let began = Instant::now();
    let connect = match migrator.direct.as_deref() {
        Some(direct) => {
            if let Some(report) = look_only(migrator, connect, target, &mut trip).await? {
                return Ok(report);
            }
            direct
        }
        None => connect,
    };
    // A pooler is gone around.
    let straight;
    let migrator = match migrator.direct {
        Some(_) => {
            straight = Migrator { pooler: Pooler::Session, ..migrator.clone() };
            &straight
        }
        None => migrator,
    };
    let mut losses = 0_u32;
    let mut jitter = Jitter::retrying();
    loop {
        let connection = match reach(migrator, connect, &mut trip).await {
            Ok(connection) => connection,
            Err(error) => return Err(trip.fail(migrator, Some(connect), error).await),
        };
        let done = trip.report.done.len();
        let outcome;
        (trip, outcome) = attempt(migrator, connect, &connection, target, trip).await;
        trip.report.took = began.elapsed();
        let error = match outcome {
            Ok(()) => {
                connection.close().await;
                tracing::debug!(report = %trip.report, "dunlin run ended");
                return Ok(trip.report);
            }
            Err(error) => error,
        };
        match error.kind() {
            // The server notices by itself.
            ErrorKind::Connection => drop(connection.without_cancel()),
            _ => connection.close().await,
        }
        if trip.report.done.len() > done {
            (losses, jitter) = (0, Jitter::retrying());
        } else {
            losses = losses.saturating_add(if trip.was_applying { 3 } else { 1 });
        }
        let pause = jitter.again();
        if error.kind() != ErrorKind::Connection || losses >= MOST_LOSSES || trip.patience < pause {
            return Err(trip.fail(migrator, Some(connect), error).await);
        }
        trip.is_resumed |= trip.was_applying || !trip.report.done.is_empty() || trip.around.has_begun();
        pass(migrator, &mut trip, &error, pause).await;
    }
}

/// Looks whether there is anything to do, on a connection that is good for that alone.
async fn look_only(
    migrator: &Migrator,
    connect: &dyn Connect,
    target: Target,
    trip: &mut Trip,
) -> Result<Option<Report>, Error> {
    if target != Target::Latest {
        return Ok(None);
    }
    let connection = reach(migrator, connect, trip).await?;
    let wire = Wire::new(&connection);
    let looked = migrator.look(&wire).await;
    let took = wire.took();
    trip.report.flights = wire.flights();
    connection.close().await;
    // Whatever is in the way of the look is looked at by the run.
    Ok((looked.ok() == Some(Look::Current)).then(|| Report::nothing_to_do(migrator.set.len(), took)))
}

/// One run on one connection.
async fn attempt(
    migrator: &Migrator,
    connect: &dyn Connect,
    connection: &Connection,
    target: Target,
    mut trip: Trip,
) -> (Trip, Result<(), Error>) {
    trip.was_applying = false;
    let wire = Wire::new(connection);
    let looked = match target {
        Target::Latest => match migrator.look(&wire).await {
            Ok(looked) => Some(looked),
            Err(error) => return (trip, Err(error)),
        },
        _ => None,
    };
    if looked == Some(Look::Current) && !trip.is_resumed {
        trip.report = Report::nothing_to_do(migrator.set.len(), wire.took());
        return (trip, Ok(()));
    }
    Run::on(wire, Some(connect), migrator, Work::Migrate(target, looked), trip).await
}

/// Gets a connection, as long as what is in the way may pass.
async fn reach(migrator: &Migrator, connect: &dyn Connect, trip: &mut Trip) -> Result<Connection, Error> {
    let mut jitter = Jitter::retrying();
    loop {
        migrator.stop.check().map_err(|_| Error::stopped(None))?;
        let started = Instant::now();
        let connecting = tokio::time::timeout(trip.patience.max(LEAST_PATIENCE), connect.connect());
        let connected = match select(pin!(connecting), pin!(migrator.stop.stopped())).await {
            Either::Left((connected, _)) => connected,
            Either::Right(_) => return Err(Error::stopped(None)),
        };
        let error = match connected.unwrap_or_else(|late| Err(Error::no_connection(late))) {
            Ok(connection) => {
                trip.has_connected = true;
                return Ok(match migrator.pooler {
                    Pooler::Session => connection,
                    Pooler::Transaction => connection.without_cancel(),
                });
            }
            Err(error) => error,
        };
        trip.patience = trip.patience.saturating_sub(started.elapsed());
        let pause = jitter.again();
        // What has worked before is not misspelt.
        let may_pass = error.is_passing() || trip.has_connected && !error.is_refusal();
        if !may_pass || trip.patience < pause {
            return Err(error);
        }
        pass(migrator, trip, &error, pause).await;
    }
}

/// Waits before the next try.
async fn pass(migrator: &Migrator, trip: &mut Trip, error: &Error, pause: Duration) {
    tracing::warn!(%error, ?pause, "no connection: connecting again");
    migrator.observer.notify(Progress::Reconnecting { pause });
    migrator.stop.sleep(pause).await;
    trip.patience = trip.patience.saturating_sub(pause);
}
