//! A backfill from its beginning to its end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dunlin_core::{Connect, Migrator};
use futures_util::future::join_all;
use tokio_postgres::Client;

use crate::desk::Desk;
use crate::error::{Error, Fault};
use crate::job::Job;
use crate::ledger::{Counts, Ledger, range_of};
use crate::report::Report;
use crate::shape::Shape;
use crate::shop::Shop;
use crate::statements::Statements;
use crate::tables::Tables;
use crate::target;
use crate::trouble::{Remedy, Trouble};
use crate::worker::Worker;

/// Where a backfill runs.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) migrator: &'a Migrator,
    /// For what is done once, and for everything where there are no other connections.
    pub(crate) client: &'a Client,
    pub(crate) connect: Option<&'a dyn Connect>,
}

/// A backfill of which everything is known that the database says.
pub(crate) struct Known {
    pub(crate) ledger: Ledger,
    pub(crate) shape: Shape,
}

impl Known {
    /// Reads the catalogs and compares them with what the backfill says.
    pub(crate) async fn new(place: Place<'_>, name: &str, job: &dyn Job) -> Result<Self, Trouble> {
        let source = job.source();
        let shape = Shape::read(place.client, &source).await?;
        let types = target::types(place.client, job, &shape).await?;
        let statements = Statements::new(job, &source, &shape, &types);
        let mut desk = Desk::lent(place.client).await?;
        target::check(&mut desk, job, &shape, &statements).await?;
        let tables = Tables::beside(place.migrator.history_table());
        let tables = tables.map_err(Fault::Names)?;
        let lease = job.settings().lease;
        let range = range_of(shape.estimate);
        let migrator = place.migrator.clone();
        let sweep = statements.clone().without_quarantined(&tables.quarantine, name);
        let job = name.to_owned();
        let ledger = Ledger { migrator, tables, statements, sweep, all: None, job, lease, range };
        Ok(Self { ledger, shape })
    }
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Everything that remains.
    Work,
    /// The same, and what was set aside.
    Retry,
}

/// Writes down that it is to be done, and does nothing of it.
pub(crate) async fn put_off(place: Place<'_>, name: &str, job: &dyn Job) -> Result<(), Error> {
    match begin(place, name, job).await {
        Ok(_) => Ok(()),
        Err(trouble) => Err(Error::new(name, trouble.into_fault("the server refused to write it down"))),
    }
}

async fn begin(place: Place<'_>, name: &str, job: &dyn Job) -> Result<Known, Trouble> {
    let mut known = Known::new(place, name, job).await?;
    let Known { ledger, shape } = &mut known;
    ledger.tables.create(place.client).await?;
    let revision = i32::try_from(job.revision()).unwrap_or(i32::MAX);
    let filled = target::filled(place.client, job).await?;
    let first = ledger.begin(place.client, revision, shape, filled).await?;
    if first.along_places {
        ledger.statements = ledger.statements.clone().along_places(shape);
    }
    ledger.all = first.takes_all.then(|| ledger.statements.clone().taking_all());
    Ok(known)
}

/// Runs it to its end, or until the time is up.
pub(crate) async fn run(
    place: Place<'_>,
    name: &str,
    job: &dyn Job,
    purpose: Purpose,
    until: Option<Instant>,
    tell: &(dyn Fn(u64, u64) + Send + Sync),
) -> Result<Report, Error> {
    let began = Instant::now();
    let outcome = async {
        let Known { ledger, shape } = begin(place, name, job).await?;
        if purpose == Purpose::Retry {
            ledger.retry(place.client).await?;
        }
        let counts = ledger.counts(place.client).await?;
        // Whoever only tries again has mended nothing.
        let within = ledger.check_budget(job.settings().budget, &counts, "what an earlier call has met");
        if let Err(Trouble::Fault(fault)) = within {
            ledger.fail(place.client, &fault.to_string()).await?;
            return Err(fault.into());
        }
        let done = Mutex::new(u64::try_from(counts.processed).unwrap_or_default());
        let estimate = u64::try_from(shape.estimate).unwrap_or_default();
        let count = |counts: Counts| {
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            *done = done.saturating_add(u64::try_from(counts.processed).unwrap_or_default());
            tell(*done, estimate.max(*done));
        };
        let shop = Shop {
            job,
            migrator: place.migrator,
            connect: place.connect,
            client: place.client,
            ledger,
            shape,
            settings: job.settings(),
            stop: AtomicBool::new(false),
            until,
            slept: Mutex::default(),
            tell: &count,
        };
        work(&shop).await?;
        let (counts, is_finished) = result(place, &shop.ledger).await?;
        if !is_finished {
            place.migrator.stop().check().map_err(Fault::Stopped)?;
        }
        if is_finished {
            // The estimate was one.
            let all = u64::try_from(counts.processed).unwrap_or_default();
            tell(all, all);
        }
        Ok((counts, is_finished, shop.slept.into_inner().unwrap_or_else(PoisonError::into_inner)))
    };
    let outcome: Result<_, Trouble> = outcome.await;
    match outcome {
        Ok((counts, is_finished, slept)) => {
            Ok(Report::new(name, &counts, is_finished, slept, began.elapsed()))
        }
        Err(trouble) => Err(Error::new(name, trouble.into_fault("the server refused a statement"))),
    }
}

/// All counts in the end, and whether it is one. The connection that has asked first has done nothing since: a network may have dropped it.
async fn result(place: Place<'_>, ledger: &Ledger) -> Result<(Counts, bool), Trouble> {
    let asked = async |client: &Client| {
        Ok((ledger.counts(client).await?, ledger.is_finished(client).await?.unwrap_or_default()))
    };
    let first: Result<_, Trouble> = asked(place.client).await;
    match (first, place.connect) {
        (Err(trouble), Some(connect)) if trouble.remedy() == Remedy::Reconnect => {
            let connection = place.migrator.open(connect).await.map_err(Fault::Core)?;
            asked(&connection).await
        }
        (first, _) => first,
    }
}

/// All workers. The first one that fails lets the others end with what they have in hand.
async fn work(shop: &Shop<'_>) -> Result<(), Trouble> {
    let workers = if shop.connect.is_some() { shop.settings.workers } else { 1 };
    let begun = SystemTime::now().duration_since(UNIX_EPOCH).map_or(Duration::ZERO, |since| since);
    let one = |number: usize| async move {
        let worked = async {
            let name = format!("{}-{:x}-{number}", std::process::id(), begun.as_micros());
            Worker::new(shop, name).await?.work().await
        };
        let worked = worked.await;
        if worked.is_err() {
            shop.stop.store(true, Ordering::Relaxed);
        }
        worked
    };
    let outcomes = join_all((0..workers).map(one)).await;
    let failed = outcomes.into_iter().find_map(Result::err);
    let Some(trouble) = failed else { return Ok(()) };
    // A process that has no connections is no reason for others to end.
    if let (Trouble::Fault(fault), Remedy::Fail) = (&trouble, trouble.remedy()) {
        // Those of other processes stop when they look next.
        let _ = shop.ledger.fail(shop.client, &fault.to_string()).await;
    }
    Err(trouble)
}
