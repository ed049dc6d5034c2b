//! One worker: takes a range, reads a batch while it writes the one before, and goes on until nothing is left.

use std::time::{Duration, Instant};

use futures_util::future::join;

use crate::batch::Batch;
use crate::care::Care;
use crate::claim::Claim;
use crate::desk::{Desk, Limits};
use crate::key::Key;
use crate::ledger::Lease;
use crate::pace::Pace;
use crate::shop::Shop;
use crate::statements::Statements;
use crate::striping::Stripes;
use crate::trouble::{Remedy, Trouble};
use crate::writing::{Learned, Writing, Written, limits};

/// How often it looks whether there is something to do again.
const LOOK: Duration = Duration::from_millis(50);
const LOOK_PAUSED: Duration = Duration::from_millis(500);

/// For how long the server may be gone.
const LOST: Duration = Duration::from_secs(60);

/// How often one row may be tried.
const TRIES: u32 = 30;

/// A worker of a backfill.
pub(crate) struct Worker<'a> {
    shop: &'a Shop<'a>,
    name: String,
    writer: Desk<'a>,
    /// Where the next batch is read while one is written; nothing where there is one connection.
    reader: Option<Desk<'a>>,
    pace: Pace,
    stripes: Stripes,
    learned: Learned,
    tries: u32,
    /// Whether it has other connections than those with which it took its range.
    is_back: bool,
    care: Care<'a>,
}

/// How a range was left.
enum Left {
    Done,
    /// Somebody wants a pause, or has failed.
    Stopped,
}

impl<'a> Worker<'a> {
    pub(crate) async fn new(shop: &'a Shop<'a>, name: String) -> Result<Self, Trouble> {
        let began = Instant::now();
        let (writer, reader) = loop {
            match shop.desks().await {
                // The server was there a moment ago.
                Err(trouble)
                    if shop.connect.is_some()
                        && trouble.remedy() == Remedy::Reconnect
                        && began.elapsed() < LOST =>
                {
                    tokio::time::sleep(LOOK).await;
                }
                desks => break desks?,
            }
        };
        let columns = shop.job.change_columns().iter().map(|column| column.name);
        let can_help = shop.ledger.statements.parameters.versions
            && shop.shape.is_one_heap
            && (shop.shape.is_in_order || shop.ledger.statements.track.is_places())
            && !shop.shape.is_indexed(columns);
        Ok(Self {
            shop,
            name,
            writer,
            reader,
            pace: Pace::new(shop.settings.batch_time),
            stripes: Stripes::new(shop.settings.stripes, can_help),
            learned: Learned::NOTHING,
            tries: 0,
            is_back: false,
            care: Care::new(shop),
        })
    }

    /// Works until nothing is left, or somebody has failed.
    pub(crate) async fn work(&mut self) -> Result<(), Trouble> {
        let mut lease: Option<Lease> = None;
        loop {
            match self.turn(&mut lease).await {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(trouble) => match trouble.remedy() {
                    Remedy::MoveOn => {
                        lease = None;
                        // If the connection is gone, too, the next turn finds out.
                        let _ = self.writer.roll_back().await;
                    }
                    // A connection that is lost each time it is used is none.
                    Remedy::Reconnect if self.tries < TRIES => {
                        self.tries = self.tries.saturating_add(1);
                        self.reconnect(trouble).await?;
                    }
                    // Not a batch was refused, but what is said around it.
                    Remedy::Retry if self.tries < TRIES => {
                        let _ = self.writer.roll_back().await;
                        self.wait().await;
                    }
                    Remedy::Reconnect | Remedy::Retry | Remedy::Bisect | Remedy::Fail => {
                        let _ = self.writer.roll_back().await;
                        if let Some(held) = &lease {
                            let _ = self.release(held).await;
                        }
                        return Err(trouble);
                    }
                },
            }
        }
    }

    /// Takes a range, if it has none, and works on it; returns whether there is more to do.
    async fn turn(&mut self, lease: &mut Option<Lease>) -> Result<bool, Trouble> {
        if self.is_back {
            if let Some(held) = lease {
                *lease = self.shop.ledger.reload(&self.writer, held).await?;
            }
            self.is_back = false;
        }
        if self.shop.is_over() {
            if let Some(held) = lease {
                self.release(held).await?;
            }
            return Ok(false);
        }
        let held = match lease {
            Some(held) => held,
            None => {
                self.care.wait(&mut self.writer).await?;
                match self.shop.ledger.claim(&self.writer, &self.name).await? {
                    Claim::Range(claimed) => {
                        // What somebody else has written in one range says nothing about the next.
                        self.learned.takes_all = self.shop.ledger.takes_all(claimed.pass);
                        lease.insert(claimed)
                    }
                    Claim::Again => return Ok(true),
                    Claim::Wait => {
                        tokio::time::sleep(LOOK).await;
                        return Ok(true);
                    }
                    Claim::Paused => {
                        tokio::time::sleep(LOOK_PAUSED).await;
                        return Ok(true);
                    }
                    Claim::Finished => return Ok(false),
                }
            }
        };
        match self.range(held).await? {
            Left::Done => {}
            Left::Stopped => self.release(held).await?,
        }
        *lease = None;
        Ok(true)
    }

    async fn release(&mut self, lease: &Lease) -> Result<(), Trouble> {
        self.writer.limit(Limits::NONE).await?;
        self.shop.ledger.release(&self.writer, lease).await
    }

    /// Works through a range.
    async fn range(&mut self, lease: &mut Lease) -> Result<Left, Trouble> {
        let mut read: Option<Batch> = None;
        loop {
            let began = Instant::now();
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
                    self.care.rest(&mut self.writer, began.elapsed()).await?;
                    if !goes_on
                        || self.shop.is_over()
                        || self.care.has_enough(&mut self.writer).await?.is_some()
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
            // One row that can't even be read: nobody knows its key.
            (Remedy::Bisect, None) => Err(trouble),
            _ => {
                self.learned.retried = self.learned.retried.saturating_add(1);
                if self.tries >= TRIES {
                    return Err(trouble);
                }
                self.wait().await;
                Ok(())
            }
        }
    }

    /// Waits before the next try, longer each time.
    async fn wait(&mut self) {
        self.tries = self.tries.saturating_add(1);
        tokio::time::sleep(Duration::from_millis(20).saturating_mul(self.tries)).await;
    }

    async fn read(&mut self, after: Option<&Key>, lease: &Lease) -> Result<Batch, Trouble> {
        let desk = self.reader.as_mut().unwrap_or(&mut self.writer);
        let statements = self.shop.ledger.reading(lease.pass, self.learned.takes_all);
        read(self.shop, desk, statements, (after, lease.upper.as_ref()), self.pace.rows()).await
    }

    /// Writes a batch and reads the next one meanwhile.
    async fn write_and_read(&mut self, lease: &mut Lease, batch: &Batch) -> Result<Step, Trouble> {
        let Self { shop, writer, reader, pace, stripes, learned, .. } = self;
        let began = Instant::now();
        let statements = shop.ledger.reading(lease.pass, learned.takes_all);
        let mut writing = Writing { shop, desk: writer, learned };
        let deal = stripes.deal(batch.changes());
        let end = batch.end().cloned();
        let upper = lease.upper.clone();
        let next = async {
            match (reader, batch.is_last) {
                (Some(reader), false) => {
                    let bounds = (end.as_ref(), upper.as_ref());
                    Some(read(shop, reader, statements, bounds, pace.rows()).await)
                }
                _ => None,
            }
        };
        let (written, next) = join(writing.batch(lease, batch, &deal), next).await;
        let Written { updated, hot, goes_on } = written?;
        stripes.wrote(&deal, updated, hot);
        pace.wrote(batch.span, batch.bytes, began.elapsed());
        // What went wrong with reading goes wrong again, and then it is looked after.
        Ok(Step { next: next.and_then(Result::ok), is_last: batch.is_last, goes_on })
    }

    /// Reads a batch whose rows stay locked, and writes it.
    async fn read_and_write(&mut self, lease: &mut Lease) -> Result<Step, (Trouble, Option<Batch>)> {
        let began = Instant::now();
        let limits = limits(&self.shop.settings, self.pace.rows());
        self.writer.begin(limits).await.map_err(|trouble| (trouble, None))?;
        let statements = self.shop.ledger.of(lease.pass);
        let bounds = (lease.cursor.as_ref(), lease.upper.as_ref());
        let read = read(self.shop, &mut self.writer, statements, bounds, self.pace.rows()).await;
        let batch = read.map_err(|trouble| (trouble, None))?;
        let mut writing = Writing { shop: self.shop, desk: &mut self.writer, learned: &mut self.learned };
        match writing.whole(lease, &batch).await {
            Ok(Written { goes_on, .. }) => {
                self.pace.wrote(batch.span, batch.bytes, began.elapsed());
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
        let mut writing = Writing { shop: self.shop, desk: &mut self.writer, learned: &mut self.learned };
        writing.poisoned(lease, batch, &kind).await
    }

    async fn reconnect(&mut self, trouble: Trouble) -> Result<(), Trouble> {
        let began = Instant::now();
        let mut last = trouble;
        let mut pause = LOOK;
        while self.shop.connect.is_some() && began.elapsed() < LOST {
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(Duration::from_secs(2));
            match self.shop.desks().await {
                Ok((writer, reader)) => {
                    (self.writer, self.reader, self.is_back) = (writer, reader, true);
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

async fn read(
    shop: &Shop<'_>,
    desk: &mut Desk<'_>,
    statements: &Statements,
    bounds: (Option<&Key>, Option<&Key>),
    rows: usize,
) -> Result<Batch, Trouble> {
    Batch::read(desk, shop.job, statements, shop.migrator, bounds, rows).await
}
