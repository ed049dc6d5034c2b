//! One worker: takes a range, reads a batch while it writes the one before, and goes on until nothing is left.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use dunlin_core::{Connect, Migrator};
use futures_util::future::{join, join_all};
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use crate::Settings;
use crate::batch::{Arrays, Batch};
use crate::desk::{Desk, Limits};
use crate::error::{Fault, text_of};
use crate::health::Checkup;
use crate::job::Job;
use crate::key::Key;
use crate::ledger::{Claim, Counts, FIRST_PASS, Lease, Ledger};
use crate::pace::Pace;
use crate::shape::Shape;
use crate::statements::Statements;
use crate::striping::Stripes;
use crate::trouble::{Remedy, Trouble};

/// How often it looks whether there is something to do again.
const LOOK: Duration = Duration::from_millis(50);
const LOOK_PAUSED: Duration = Duration::from_millis(500);

/// For how long the server may be gone.
const LOST: Duration = Duration::from_secs(60);

/// How often one row may be tried.
const TRIES: u32 = 30;

/// What all workers of a backfill share.
pub(crate) struct Shop<'a> {
    pub(crate) job: &'a dyn Job,
    pub(crate) migrator: &'a Migrator,
    pub(crate) connect: Option<&'a dyn Connect>,
    /// Where there are no other connections.
    pub(crate) client: &'a Client,
    pub(crate) ledger: Ledger,
    /// What later passes read with: rows that were set aside are not tried again.
    pub(crate) sweep: Statements,
    pub(crate) shape: Shape,
    pub(crate) settings: Settings,
    /// Somebody has failed: the others end when they have written their batch.
    pub(crate) stop: AtomicBool,
    /// For how long the workers have waited for what.
    pub(crate) slept: Mutex<BTreeMap<String, Duration>>,
    /// Called after each batch.
    pub(crate) tell: &'a (dyn Fn(Counts) + Send + Sync),
}

impl Shop<'_> {
    fn note_slept(&self, signal: &str, pause: Duration) {
        let mut slept = self.slept.lock().unwrap_or_else(PoisonError::into_inner);
        let of_signal = slept.entry(signal.to_owned()).or_default();
        *of_signal = of_signal.saturating_add(pause);
    }
}

/// One of them.
pub(crate) struct Worker<'a> {
    shop: &'a Shop<'a>,
    name: String,
    writer: Desk<'a>,
    /// Where the next batch is read while one is written; nothing where there is one connection.
    reader: Option<Desk<'a>>,
    pace: Pace,
    stripes: Stripes,
    /// Whether it was seen that what is written makes `remaining` false.
    is_proven: bool,
    /// Tries to be counted with the next batch.
    retried: i64,
    tries: u32,
    /// When it has last looked how the database is.
    looked: Option<Instant>,
}

/// How a range was left.
enum Left {
    Done,
    /// Somebody wants a pause, or has failed.
    Stopped,
}

impl<'a> Worker<'a> {
    pub(crate) async fn new(shop: &'a Shop<'a>, name: String) -> Result<Self, Trouble> {
        let (writer, reader) = desks(shop).await?;
        let columns = shop.job.change_columns().iter().map(|column| column.name);
        let can_help =
            !shop.ledger.statements.locks && shop.shape.is_one_heap && !shop.shape.is_indexed(columns);
        Ok(Self {
            shop,
            name,
            writer,
            reader,
            pace: Pace::new(shop.settings.batch_time),
            stripes: Stripes::new(shop.settings.stripes, can_help),
            is_proven: false,
            retried: 0,
            tries: 0,
            looked: None,
        })
    }

    /// Works until nothing is left, or somebody has failed.
    pub(crate) async fn work(&mut self) -> Result<(), Trouble> {
        let mut lease: Option<Lease> = None;
        while !self.shop.stop.load(Ordering::Relaxed) {
            if lease.is_none()
                && let Err(trouble) = self.wait_for_health().await
            {
                match trouble.remedy() {
                    Remedy::Reconnect => self.reconnect(trouble).await?,
                    _ => return Err(trouble),
                }
            }
            let mut held = match lease.take() {
                Some(lease) => lease,
                None => match self.claim().await {
                    Ok(Claim::Range(lease)) => lease,
                    Ok(Claim::Wait) => {
                        tokio::time::sleep(LOOK).await;
                        continue;
                    }
                    Ok(Claim::Paused) => {
                        tokio::time::sleep(LOOK_PAUSED).await;
                        continue;
                    }
                    Ok(Claim::Finished) => return Ok(()),
                    Err(trouble) if trouble.remedy() == Remedy::Reconnect => {
                        self.reconnect(trouble).await?;
                        continue;
                    }
                    Err(trouble) => return Err(trouble),
                },
            };
            match self.range(&mut held).await {
                Ok(Left::Done) => {}
                Ok(Left::Stopped) => self.release(&held).await?,
                Err(trouble) => match trouble.remedy() {
                    Remedy::MoveOn => self.writer.roll_back().await?,
                    Remedy::Reconnect => {
                        self.reconnect(trouble).await?;
                        lease = self.shop.ledger.reload(&self.writer, &held).await?;
                    }
                    Remedy::Retry | Remedy::Bisect | Remedy::Fail => {
                        let _ = self.writer.roll_back().await;
                        let _ = self.release(&held).await;
                        return Err(trouble);
                    }
                },
            }
        }
        Ok(())
    }

    /// Looks how the database is, if it is time to: what it has enough of, and in which words.
    async fn has_enough(&mut self) -> Result<Option<(&'static str, String)>, Trouble> {
        let health = &self.shop.settings.health;
        if self.looked.is_some_and(|looked| looked.elapsed() < health.every) {
            return Ok(None);
        }
        self.writer.limit(Limits::NONE).await?;
        let checkup = Checkup { client: &self.writer, oid: self.shop.shape.oid };
        for signal in &health.signals {
            match signal.check(&checkup).await {
                Ok(None) => {}
                Ok(Some(why)) => return Ok(Some((signal.name(), why))),
                Err(error) if error.as_db_error().is_some() => {
                    tracing::warn!(signal = signal.name(), error = text_of(&error), "a signal can't be read");
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.looked = Some(Instant::now());
        Ok(None)
    }

    /// Waits as long as the database has enough to do.
    async fn wait_for_health(&mut self) -> Result<(), Trouble> {
        let mut said: Option<String> = None;
        while let Some((signal, why)) = self.has_enough().await? {
            if said.as_ref() != Some(&why) {
                tracing::info!(backfill = self.shop.ledger.job, why, "a backfill waits");
                self.shop.ledger.wait(&self.writer, Some(&why)).await?;
                said = Some(why);
            }
            let pause = self.shop.settings.health.every;
            tokio::time::sleep(pause).await;
            self.shop.note_slept(signal, pause);
            let is_over = self.shop.stop.load(Ordering::Relaxed);
            if is_over || !self.shop.ledger.is_wanted(&self.writer).await? {
                break;
            }
        }
        if said.is_some() {
            self.shop.ledger.wait(&self.writer, None).await?;
        }
        Ok(())
    }

    async fn claim(&mut self) -> Result<Claim, Trouble> {
        self.shop.ledger.claim(&self.writer, &self.name).await
    }

    async fn release(&mut self, lease: &Lease) -> Result<(), Trouble> {
        self.writer.limit(Limits::NONE).await?;
        self.shop.ledger.release(&self.writer, lease).await
    }

    /// Works through a range.
    async fn range(&mut self, lease: &mut Lease) -> Result<Left, Trouble> {
        let mut read: Option<Batch> = None;
        loop {
            let outcome = match read.take() {
                Some(batch) => {
                    self.write_and_read(lease, &batch).await.map_err(|trouble| (trouble, Some(batch)))
                }
                None if self.shop.ledger.statements.locks => self.read_and_write(lease).await,
                None => match self.read(lease.cursor.as_ref(), lease).await {
                    Ok(batch) => {
                        read = Some(batch);
                        continue;
                    }
                    Err(trouble) => Err((trouble, None)),
                },
            };
            match outcome {
                Ok(Step { next, is_last, goes_on }) => {
                    self.tries = 0;
                    read = next;
                    if is_last {
                        self.writer.limit(Limits::NONE).await?;
                        self.shop.ledger.close(&self.writer, lease).await?;
                        return Ok(Left::Done);
                    }
                    if !goes_on
                        || self.shop.stop.load(Ordering::Relaxed)
                        || self.has_enough().await?.is_some()
                    {
                        return Ok(Left::Stopped);
                    }
                }
                Err((trouble, batch)) => self.mend(lease, trouble, batch.as_ref()).await?,
            }
        }
    }

    /// After something has gone wrong with a batch: sees to it that the next try is another one.
    async fn mend(
        &mut self,
        lease: &mut Lease,
        trouble: Trouble,
        batch: Option<&Batch>,
    ) -> Result<(), Trouble> {
        let remedy = trouble.remedy();
        if !matches!(remedy, Remedy::Retry | Remedy::Bisect) {
            return Err(trouble);
        }
        self.writer.roll_back().await?;
        let rows = batch.map_or_else(|| self.pace.rows(), Batch::len);
        let could_halve = self.pace.halve(rows);
        match (remedy, batch) {
            (Remedy::Bisect, Some(batch)) if !could_halve => self.set_aside(lease, batch, &trouble).await,
            (Remedy::Bisect, _) if could_halve => Ok(()),
            _ => {
                self.tries = self.tries.saturating_add(1);
                self.retried = self.retried.saturating_add(1);
                if self.tries > TRIES {
                    return Err(trouble);
                }
                tokio::time::sleep(Duration::from_millis(20).saturating_mul(self.tries)).await;
                Ok(())
            }
        }
    }

    async fn read(&mut self, after: Option<&Key>, lease: &Lease) -> Result<Batch, Trouble> {
        let desk = self.reader.as_mut().unwrap_or(&mut self.writer);
        read(self.shop, desk, after, lease, self.pace.rows()).await
    }

    /// Writes a batch and reads the next one meanwhile.
    async fn write_and_read(&mut self, lease: &mut Lease, batch: &Batch) -> Result<Step, Trouble> {
        let Self { shop, writer, reader, pace, stripes, is_proven, retried, .. } = self;
        let began = Instant::now();
        let mut writing = Writing { shop, desk: writer, is_proven, retried: std::mem::take(retried) };
        let count = stripes.count(batch.changes());
        let end = batch.end().cloned();
        let bounds = lease.clone();
        let next = async {
            match (reader, batch.is_last) {
                (Some(reader), false) => Some(read(shop, reader, end.as_ref(), &bounds, pace.rows()).await),
                _ => None,
            }
        };
        let (written, next) = join(writing.batch(lease, batch, count), next).await;
        let Written { updated, hot, goes_on } = written?;
        stripes.wrote(count, updated, hot);
        pace.wrote(batch.len(), batch.bytes, began.elapsed());
        // What went wrong with reading goes wrong again, and then it is looked after.
        Ok(Step { next: next.and_then(Result::ok), is_last: batch.is_last, goes_on })
    }

    /// Reads a batch whose rows stay locked, and writes it.
    async fn read_and_write(&mut self, lease: &mut Lease) -> Result<Step, (Trouble, Option<Batch>)> {
        let began = Instant::now();
        let limits = limits(&self.shop.settings, self.pace.rows());
        self.writer.begin(limits).await.map_err(|trouble| (trouble, None))?;
        let read = read(self.shop, &mut self.writer, lease.cursor.as_ref(), lease, self.pace.rows()).await;
        let batch = read.map_err(|trouble| (trouble, None))?;
        let mut writing = Writing {
            shop: self.shop,
            desk: &mut self.writer,
            is_proven: &mut self.is_proven,
            retried: std::mem::take(&mut self.retried),
        };
        match writing.whole(lease, &batch).await {
            Ok(Written { goes_on, .. }) => {
                self.pace.wrote(batch.len(), batch.bytes, began.elapsed());
                Ok(Step { next: None, is_last: batch.is_last, goes_on })
            }
            Err(trouble) => Err((trouble, Some(batch))),
        }
    }

    /// Sets the one row of a batch aside that the server refuses.
    async fn set_aside(
        &mut self,
        lease: &mut Lease,
        batch: &Batch,
        trouble: &Trouble,
    ) -> Result<(), Trouble> {
        let kind = trouble.code().map_or("a value that can't be written", |code| code.code()).to_owned();
        let mut writing = Writing {
            shop: self.shop,
            desk: &mut self.writer,
            is_proven: &mut self.is_proven,
            retried: std::mem::take(&mut self.retried),
        };
        writing.poisoned(lease, batch, &kind).await
    }

    async fn reconnect(&mut self, trouble: Trouble) -> Result<(), Trouble> {
        let began = Instant::now();
        let mut last = trouble;
        let mut pause = LOOK;
        while self.shop.connect.is_some() && began.elapsed() < LOST {
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(Duration::from_secs(2));
            match desks(self.shop).await {
                Ok((writer, reader)) => {
                    (self.writer, self.reader) = (writer, reader);
                    return Ok(());
                }
                Err(trouble) => last = trouble,
            }
        }
        Err(last)
    }
}

/// What comes after a batch.
struct Step {
    next: Option<Batch>,
    is_last: bool,
    goes_on: bool,
}

/// What came of writing a batch.
#[derive(Default)]
struct Written {
    updated: u64,
    hot: u64,
    goes_on: bool,
}

async fn desks<'a>(shop: &Shop<'a>) -> Result<(Desk<'a>, Option<Desk<'a>>), Trouble> {
    let Some(connect) = shop.connect else { return Ok((Desk::lent(shop.client).await?, None)) };
    let writer = Desk::own(open(shop.migrator, connect).await?).await?;
    let reader = match shop.ledger.statements.locks {
        true => None,
        false => Some(Desk::own(open(shop.migrator, connect).await?).await?),
    };
    Ok((writer, reader))
}

async fn open(migrator: &Migrator, connect: &dyn Connect) -> Result<dunlin_core::Connection, Trouble> {
    migrator.open(connect).await.map_err(|error| Fault::Core(error).into())
}

async fn read(
    shop: &Shop<'_>,
    desk: &mut Desk<'_>,
    after: Option<&Key>,
    lease: &Lease,
    rows: usize,
) -> Result<Batch, Trouble> {
    let bounds = (after, lease.upper.as_ref());
    let statements = if lease.pass == FIRST_PASS { &shop.ledger.statements } else { &shop.sweep };
    Batch::read(desk, shop.job, statements, shop.migrator, bounds, rows).await
}

/// No row is locked for longer than a batch should take. One row takes as long as it takes.
fn limits(settings: &Settings, rows: usize) -> Limits {
    Limits { statement: (rows > 1).then_some(settings.batch_time), lock: settings.batch_time }
}

/// The parameters of a statement that writes, with those that tell whose range it is.
fn fenced<'a>(ledger: &'a Ledger, lease: &'a Lease, arrays: &'a Arrays<'_>) -> Vec<&'a (dyn ToSql + Sync)> {
    let own: [&(dyn ToSql + Sync); 3] = [&ledger.job, &lease.number, &lease.token];
    arrays.parameters().into_iter().chain(own).collect()
}

/// Rows that somebody else has written meanwhile: so many still remained, and so many of them were changed.
struct Moved {
    read: usize,
    updated: u64,
}

/// What writes.
struct Writing<'a, 'b> {
    shop: &'a Shop<'a>,
    desk: &'a mut Desk<'b>,
    is_proven: &'a mut bool,
    retried: i64,
}

impl Writing<'_, '_> {
    /// Writes a batch in so many transactions.
    async fn batch(&mut self, lease: &mut Lease, batch: &Batch, stripes: usize) -> Result<Written, Trouble> {
        let limits = limits(&self.shop.settings, batch.len());
        if !*self.is_proven || self.retried > 0 || batch.poison().next().is_some() {
            self.desk.begin(limits).await?;
            return self.whole(lease, batch).await;
        }
        self.desk.limit(limits).await?;
        let mut written = self.striped(lease, batch, stripes).await?;
        let changes = u64::try_from(batch.changes()).unwrap_or(u64::MAX);
        // The rows without a change, and those that somebody else has done meanwhile, or deleted.
        let mut others = batch.len().saturating_sub(batch.changes());
        let mut retried = 0;
        if written.updated < changes {
            let moved = self.moved(lease, batch).await?;
            retried = i64::try_from(moved.read).unwrap_or(i64::MAX);
            let gone = changes.saturating_sub(written.updated).saturating_sub(moved.updated);
            others = others.saturating_add(usize::try_from(gone).unwrap_or(usize::MAX));
            written.updated = written.updated.saturating_add(moved.updated);
        }
        let others = if lease.pass == FIRST_PASS { i64::try_from(others).unwrap_or(i64::MAX) } else { 0 };
        let counts = Counts { processed: others, retried, batches: 1, ..Counts::default() };
        let (goes_on, _) = self.fence(lease, &counts, batch.end()).await?;
        lease.cursor = batch.end().cloned().or(lease.cursor.take());
        let updated = i64::try_from(written.updated).unwrap_or(i64::MAX);
        (self.shop.tell)(Counts { processed: updated.saturating_add(others), changed: updated, ..counts });
        Ok(Written { goes_on, ..written })
    }

    /// Writes the changes of a batch, each stripe in a transaction of its own, all in one flight: the server has something to do while the
    /// next batch is converted. The cursor moves when all of them are there: a batch that was cut off is read again, without the rows
    /// that no longer remain.
    async fn striped(&mut self, lease: &Lease, batch: &Batch, stripes: usize) -> Result<Written, Trouble> {
        let ledger = &self.shop.ledger;
        let statements = &ledger.statements;
        let prune = self.desk.prepare(statements.prune()).await?;
        let write = self.desk.prepare(ledger.write(self.shop.shape.oid)).await?;
        let desk = &*self.desk;
        let one = |stripe: usize| {
            let (prune, write) = (&prune, &write);
            async move {
                let rows = batch.stripe(stripe, stripes);
                // What the stripe before has left dead makes room for the new versions of these rows.
                let pages = if stripe > 0 { batch.one_of_each_page(&rows) } else { Vec::new() };
                let keys = batch.key_arrays(&pages, statements.key_parts());
                let keys: Vec<_> = keys.iter().map(|array| -> &(dyn ToSql + Sync) { array }).collect();
                let pruned = async {
                    if pages.is_empty() { Ok(()) } else { desk.query(prune, &keys).await.map(drop) }
                };
                let arrays = batch.arrays(&rows, statements.parameters, statements.key_parts());
                let parameters = fenced(ledger, lease, &arrays);
                let (pruned, written) = join(pruned, desk.query_one(write, &parameters)).await;
                pruned?;
                let written = written?;
                Ok::<(i64, i64), Trouble>((written.try_get(0)?, written.try_get(1)?))
            }
        };
        let mut all = Written::default();
        for written in join_all((0..stripes).map(one)).await {
            let (updated, hot) = written?;
            all.updated = all.updated.saturating_add(u64::try_from(updated).unwrap_or_default());
            all.hot = all.hot.saturating_add(u64::try_from(hot).unwrap_or_default());
        }
        Ok(all)
    }

    /// Reads those rows of a batch again that somebody else has written meanwhile and that remain, and writes them while they are
    /// locked.
    async fn moved(&mut self, lease: &Lease, batch: &Batch) -> Result<Moved, Trouble> {
        let Shop { ledger, job, migrator, settings, shape, .. } = self.shop;
        let statements = &ledger.statements;
        self.desk.begin(limits(settings, batch.len())).await?;
        let rows = batch.stripe(0, 1);
        let moved = batch.read_moved(&rows, self.desk, *job, statements, migrator).await?;
        let rows = moved.stripe(0, 1);
        let mut updated = 0_i64;
        if !rows.is_empty() {
            let write = self.desk.prepare(ledger.write(shape.oid)).await?;
            let arrays = moved.arrays(&rows, statements.parameters, statements.key_parts());
            updated = self.desk.query_one(&write, &fenced(ledger, lease, &arrays)).await?.try_get(0)?;
        }
        self.desk.commit().await?;
        Ok(Moved { read: moved.len(), updated: u64::try_from(updated).unwrap_or_default() })
    }

    /// Writes a batch in one transaction, which has begun, and commits. Looks whether what was written makes `remaining` false.
    async fn whole(&mut self, lease: &mut Lease, batch: &Batch) -> Result<Written, Trouble> {
        let Shop { ledger: Ledger { statements, .. }, job, migrator, .. } = self.shop;
        let rows = batch.stripe(0, 1);
        let mut changed = self.write(batch, &rows).await?;
        let mut retried = std::mem::take(&mut self.retried);
        if statements.locks {
            // What a statement of the program's own counts is not the rows that were read.
            changed = rows.len();
        }
        if changed == rows.len() {
            self.prove(batch, &rows).await?;
        } else {
            // Somebody has written these rows meanwhile, or deleted them.
            let moved = batch.read_moved(&rows, self.desk, *job, statements, migrator).await?;
            retried = retried.saturating_add(i64::try_from(moved.len()).unwrap_or(i64::MAX));
            let rows = moved.stripe(0, 1);
            changed = changed.saturating_add(self.write(&moved, &rows).await?);
        }
        let changed = i64::try_from(changed).unwrap_or(i64::MAX);
        let quarantined = self.quarantine(batch).await?;
        let processed = match lease.pass {
            FIRST_PASS => i64::try_from(batch.len()).unwrap_or(i64::MAX),
            _ => changed.saturating_add(quarantined),
        };
        let counts = Counts { processed, changed, quarantined, retried, batches: 1 };
        let (goes_on, hot) = self.fence(lease, &counts, batch.end()).await?;
        self.desk.commit().await?;
        lease.cursor = batch.end().cloned().or(lease.cursor.take());
        (self.shop.tell)(counts);
        if quarantined > 0 {
            self.check_budget("a value that can't be converted").await?;
        }
        Ok(Written { updated: u64::try_from(changed).unwrap_or_default(), hot, goes_on })
    }

    async fn write(&mut self, batch: &Batch, rows: &[usize]) -> Result<usize, Trouble> {
        if rows.is_empty() {
            return Ok(0);
        }
        let statements = &self.shop.ledger.statements;
        let statement = self.desk.prepare(statements.write.clone()).await?;
        let arrays = batch.arrays(rows, statements.parameters, statements.key_parts());
        let written = self.desk.execute(&statement, &arrays.parameters()).await?;
        Ok(usize::try_from(written).unwrap_or(usize::MAX))
    }

    /// Looks once whether what is written makes `remaining` false: otherwise it would be written for ever.
    async fn prove(&mut self, batch: &Batch, rows: &[usize]) -> Result<(), Trouble> {
        if *self.is_proven || rows.is_empty() {
            return Ok(());
        }
        let statements = &self.shop.ledger.statements;
        let statement = self.desk.prepare(statements.still_remains()).await?;
        let keys = batch.key_arrays(rows, statements.key_parts());
        let keys: Vec<_> = keys.iter().map(|array| -> &(dyn ToSql + Sync) { array }).collect();
        if self.desk.query_one(&statement, &keys).await?.try_get(0)? {
            return Err(Fault::StillRemains { condition: statements.remaining().to_owned() }.into());
        }
        *self.is_proven = true;
        Ok(())
    }

    /// Sets the rows of the batch aside that can't be converted; returns how many of them were not there yet.
    async fn quarantine(&mut self, batch: &Batch) -> Result<i64, Trouble> {
        let mut count = 0_i64;
        for (key, kind) in batch.poison() {
            count = count.saturating_add(self.note(key, kind).await?);
        }
        Ok(count)
    }

    async fn note(&mut self, key: &Key, kind: &str) -> Result<i64, Trouble> {
        let ledger = &self.shop.ledger;
        let sql = format!(
            "INSERT INTO {} (job, kind, key) VALUES ($1, $2, {}) ON CONFLICT DO NOTHING",
            ledger.tables.quarantine,
            ledger.statements.write_key(3)
        );
        let statement = self.desk.prepare(sql).await?;
        let own: [&(dyn ToSql + Sync); 2] = [&ledger.job, &kind];
        let parameters: Vec<_> = own.into_iter().chain(key.parameters()).collect();
        Ok(i64::try_from(self.desk.execute(&statement, &parameters).await?).unwrap_or(i64::MAX))
    }

    /// The one row of the batch can't be written.
    async fn poisoned(&mut self, lease: &mut Lease, batch: &Batch, kind: &str) -> Result<(), Trouble> {
        let Some(key) = batch.end() else { return Ok(()) };
        self.desk.begin(limits(&self.shop.settings, 1)).await?;
        let quarantined = self.note(key, kind).await?;
        let processed = if lease.pass == FIRST_PASS { 1 } else { quarantined };
        let retried = std::mem::take(&mut self.retried);
        let counts = Counts { processed, quarantined, retried, ..Counts::default() };
        self.fence(lease, &counts, Some(key)).await?;
        self.desk.commit().await?;
        lease.cursor = Some(key.clone());
        (self.shop.tell)(counts);
        self.check_budget(kind).await
    }

    async fn check_budget(&self, why: &str) -> Result<(), Trouble> {
        let ledger = &self.shop.ledger;
        let counts = ledger.counts(self.desk).await?;
        let [quarantined, looked_at] =
            [counts.quarantined, counts.processed].map(|count| u64::try_from(count).unwrap_or_default());
        if self.shop.settings.budget.allows(quarantined, looked_at) {
            return Ok(());
        }
        let table = ledger.tables.quarantine.clone();
        Err(Fault::Poisoned { quarantined, looked_at, why: why.to_owned(), table }.into())
    }

    /// Writes down what was done; returns whether to go on, and how many rows have stayed on their page.
    async fn fence(
        &mut self,
        lease: &Lease,
        counts: &Counts,
        cursor: Option<&Key>,
    ) -> Result<(bool, u64), Trouble> {
        let ledger = &self.shop.ledger;
        let statement = self.desk.prepare(ledger.fence(cursor.is_some(), self.shop.shape.oid)).await?;
        let own: [&(dyn ToSql + Sync); 3] = [&ledger.job, &lease.number, &lease.token];
        let parameters: Vec<_> = own
            .into_iter()
            .chain(counts.parameters())
            .chain(cursor.into_iter().flat_map(Key::parameters))
            .collect();
        let Some(row) = self.desk.query_opt(&statement, &parameters).await? else {
            return Err(Trouble::Fenced);
        };
        let hot: i64 = row.try_get(1)?;
        Ok((row.try_get(0)?, u64::try_from(hot).unwrap_or_default()))
    }
}
