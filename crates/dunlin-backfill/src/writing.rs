//! Writes a batch, and with it how far the work is.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::SinkExt;
use futures_util::future::{join, join_all};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{Kind, ToSql, Type};

use crate::Settings;
use crate::batch::{Arrays, Batch};
use crate::desk::{Desk, Limits};
use crate::error::Fault;
use crate::key::Key;
use crate::ledger::{Counts, FIRST_PASS, Lease, Ledger};
use crate::shop::Shop;
use crate::striping::Deal;
use crate::trouble::{Remedy, Trouble};

/// What came of writing a batch.
#[derive(Default)]
pub(crate) struct Written {
    pub(crate) updated: u64,
    pub(crate) hot: u64,
    pub(crate) goes_on: bool,
}

/// So many rows of each page are looked up to have it pruned.
const LOOKS: usize = 2;

/// How much longer than a batch should take a row may be locked.
const SLACK: Duration = Duration::from_millis(100);

/// No row is locked for much longer than a batch should take. One row takes as long as it takes.
pub(crate) fn limits(settings: &Settings, rows: usize) -> Limits {
    let most = settings.batch_time.saturating_add(SLACK);
    Limits { statement: (rows > 1).then_some(most), lock: most }
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
    /// So many can't be converted any more.
    poison: u64,
}

/// What a worker has learned from its batches.
#[derive(Debug)]
pub(crate) struct Learned {
    /// It was seen that what is written makes `remaining` false.
    pub(crate) is_proven: bool,
    /// What is copied has never met a row that it could not be copied beside.
    pub(crate) can_copy: bool,
    /// Nothing was there in this range that this backfill has not written.
    pub(crate) takes_all: bool,
    /// Tries to be counted with what is written next.
    pub(crate) retried: i64,
}

impl Learned {
    pub(crate) const NOTHING: Self = Self { is_proven: false, can_copy: true, takes_all: false, retried: 0 };
}

/// What writes.
pub(crate) struct Writing<'a, 'b> {
    pub(crate) shop: &'a Shop<'a>,
    pub(crate) desk: &'a mut Desk<'b>,
    pub(crate) learned: &'a mut Learned,
}

impl Writing<'_, '_> {
    /// Writes a batch, dealt out so, in as many transactions.
    pub(crate) async fn batch(
        &mut self,
        lease: &mut Lease,
        batch: &Batch,
        deal: &Deal,
    ) -> Result<Written, Trouble> {
        let limits = limits(&self.shop.settings, batch.len());
        let copy = self.shop.ledger.statements.copy.as_ref();
        let is_first_try = self.learned.retried == 0 && batch.poison().next().is_none();
        if let Some(copy) = copy.filter(|_| self.learned.is_proven && self.learned.can_copy && is_first_try) {
            match self.copied(lease, batch, copy).await {
                Err(trouble) if trouble.remedy() == Remedy::Bisect => {
                    // Some of the rows are there already, or can't be: the server says of which it is true when they are inserted.
                    let is_there = trouble.code() == Some(&SqlState::UNIQUE_VIOLATION);
                    if is_there && batch.takes_all {
                        // Somebody else writes such rows, too: from here on it looks which are missing.
                        self.learned.takes_all = false;
                    } else {
                        self.learned.can_copy = false;
                    }
                    self.desk.roll_back().await?;
                }
                written => return written,
            }
        }
        // What is read without a look at what is there has to be in one transaction with the cursor: nothing else keeps it from being
        // read again.
        if copy.is_some() || !self.learned.is_proven || !is_first_try {
            self.desk.begin(limits).await?;
            return self.whole(lease, batch).await;
        }
        self.desk.limit(limits).await?;
        let mut written = match batch.changes() {
            0 => Written::default(),
            _ => self.striped(lease, batch, deal).await?,
        };
        let changes = u64::try_from(batch.changes()).unwrap_or(u64::MAX);
        // The rows without a change, and those that somebody else has done meanwhile, or deleted.
        let mut others = batch.len().saturating_sub(batch.changes());
        let mut retried = 0;
        if written.updated < changes {
            let moved = self.moved(lease, batch).await?;
            retried = i64::try_from(moved.read).unwrap_or(i64::MAX);
            // Those that are poison by now remain, and are counted when they are set aside.
            let gone = changes.saturating_sub(written.updated).saturating_sub(moved.updated);
            let gone = gone.saturating_sub(moved.poison);
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

    /// Copies the changes of a batch into the table that is filled, in one transaction.
    async fn copied(&mut self, lease: &mut Lease, batch: &Batch, copy: &str) -> Result<Written, Trouble> {
        let changes = batch.changes();
        // The members of the arrays that would be inserted.
        let insert = self.desk.prepare(self.shop.ledger.statements.write.clone()).await?;
        let member = |ty: &Type| match ty.kind() {
            Kind::Array(member) => member.clone(),
            _ => ty.clone(),
        };
        let types: Vec<_> = insert.params().iter().map(member).collect();
        let Ok(pieces) = batch.copied(&types) else { return Err(Trouble::Unwritable) };
        self.desk.begin(limits(&self.shop.settings, batch.len())).await?;
        if changes > 0 {
            let copy = self.desk.prepare(copy.to_owned()).await?;
            let mut sink = pin!(self.desk.copy_in::<_, Bytes>(&copy).await?);
            for piece in pieces {
                sink.feed(piece).await?;
            }
            sink.finish().await?;
        }
        let processed = match lease.pass {
            FIRST_PASS => batch.len(),
            _ => changes,
        };
        let [processed, changed] = [processed, changes].map(|rows| i64::try_from(rows).unwrap_or(i64::MAX));
        let counts = Counts { processed, changed, batches: 1, ..Counts::default() };
        let (goes_on, _) = self.fence(lease, &counts, batch.end()).await?;
        self.desk.commit().await?;
        lease.cursor = batch.end().cloned().or(lease.cursor.take());
        (self.shop.tell)(counts);
        Ok(Written { updated: u64::try_from(changed).unwrap_or_default(), hot: 0, goes_on })
    }

    /// Writes the changes of a batch, each stripe in a transaction of its own, all in one flight: the server has something to do while the
    /// next batch is converted. The cursor moves when all of them are there: a batch that was cut off is read again, without the rows
    /// that no longer remain.
    async fn striped(&mut self, lease: &Lease, batch: &Batch, deal: &Deal) -> Result<Written, Trouble> {
        let ledger = &self.shop.ledger;
        let statements = &ledger.statements;
        let write = self.desk.prepare(ledger.write(self.shop.shape.oid)).await?;
        let look = self.desk.prepare(statements.look_up()).await?;
        let desk = &*self.desk;
        let changed = batch.changed();
        let one = |rows: Vec<usize>| {
            let write = &write;
            async move {
                let arrays = batch.arrays(&rows, statements.parameters);
                let written = desk.query_one(write, &fenced(ledger, lease, &arrays)).await?;
                Ok::<(i64, i64), Trouble>((written.try_get(0)?, written.try_get(1)?))
            }
        };
        // What the last stripe leaves dead is pruned now, as a row or two of each page are looked up: whoever comes by later, the sweep at
        // the latest, would have to put an image of the whole page into the log.
        let some = self.shop.shape.rows_on_a_page.checked_div(LOOKS).unwrap_or_default().max(1);
        let some: Vec<usize> = changed.iter().copied().step_by(some).collect();
        let prune = async {
            if deal.stripes() > 1 {
                let keys = batch.key_arrays(&some);
                let keys: Vec<_> = keys.iter().map(|array| -> &(dyn ToSql + Sync) { array }).collect();
                desk.query_one(&look, &keys).await?;
            }
            Ok::<(), Trouble>(())
        };
        let mut all = Written::default();
        let (stripes, pruned) = join(join_all(deal.out(&changed).into_iter().map(one)), prune).await;
        pruned?;
        for written in stripes {
            let (updated, hot) = written?;
            all.updated = all.updated.saturating_add(u64::try_from(updated).unwrap_or_default());
            all.hot = all.hot.saturating_add(self.desk.hot.since(hot));
        }
        Ok(all)
    }

    /// Reads those rows of a batch again that somebody else has written meanwhile and that remain, and writes them while they are
    /// locked.
    async fn moved(&mut self, lease: &Lease, batch: &Batch) -> Result<Moved, Trouble> {
        let Shop { ledger, job, migrator, settings, shape, .. } = self.shop;
        let statements = &ledger.statements;
        self.desk.begin(limits(settings, batch.len())).await?;
        let rows = batch.changed();
        let moved = batch.read_moved(&rows, self.desk, *job, statements, migrator).await?;
        let rows = moved.changed();
        let mut updated = 0_i64;
        if !rows.is_empty() {
            let write = self.desk.prepare(ledger.write(shape.oid)).await?;
            let arrays = moved.arrays(&rows, statements.parameters);
            let written = self.desk.query_one(&write, &fenced(ledger, lease, &arrays)).await?;
            updated = written.try_get(0)?;
            self.desk.hot.since(written.try_get(1)?);
        }
        self.desk.commit().await?;
        let poison = u64::try_from(moved.poison().count()).unwrap_or(u64::MAX);
        Ok(Moved { read: moved.len(), updated: u64::try_from(updated).unwrap_or_default(), poison })
    }

    /// Writes a batch in one transaction, which has begun, and commits. Looks whether what was written makes `remaining` false.
    pub(crate) async fn whole(&mut self, lease: &mut Lease, batch: &Batch) -> Result<Written, Trouble> {
        let Shop { ledger: Ledger { statements, .. }, job, migrator, .. } = self.shop;
        let rows = batch.changed();
        let mut changed = self.write(batch, &rows).await?;
        let mut retried = std::mem::take(&mut self.learned.retried);
        let mut looked_at = batch.len();
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
            // Those that are poison by now remain, and are counted when they are set aside.
            looked_at = looked_at.saturating_sub(moved.poison().count());
            let rows = moved.changed();
            changed = changed.saturating_add(self.write(&moved, &rows).await?);
        }
        let changed = i64::try_from(changed).unwrap_or(i64::MAX);
        let quarantined = self.quarantine(batch).await?;
        let processed = match lease.pass {
            FIRST_PASS => i64::try_from(looked_at).unwrap_or(i64::MAX),
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
        let arrays = batch.arrays(rows, statements.parameters);
        let written = self.desk.execute(&statement, &arrays.parameters()).await?;
        Ok(usize::try_from(written).unwrap_or(usize::MAX))
    }

    /// Looks once whether what is written makes `remaining` false: otherwise it would be written in each pass.
    ///
    /// Of some rows some may remain rightly, where the condition looks at other tables: somebody may have written to those meanwhile.
    async fn prove(&mut self, batch: &Batch, rows: &[usize]) -> Result<(), Trouble> {
        if self.learned.is_proven || rows.is_empty() {
            return Ok(());
        }
        let statements = &self.shop.ledger.statements;
        let statement = self.desk.prepare(statements.still_remains()).await?;
        let keys = batch.key_arrays(rows);
        let keys: Vec<_> = keys.iter().map(|array| -> &(dyn ToSql + Sync) { array }).collect();
        let remain: i64 = self.desk.query_one(&statement, &keys).await?.try_get(0)?;
        let all = usize::try_from(remain).is_ok_and(|remain| remain == rows.len());
        if all && rows.len() > 1 {
            return Err(Fault::StillRemains { condition: statements.remaining().to_owned() }.into());
        }
        self.learned.is_proven = !all;
        Ok(())
    }

    /// Sets the rows of the batch aside that can't be converted; returns how many of them were not there yet.
    async fn quarantine(&mut self, batch: &Batch) -> Result<i64, Trouble> {
        let mut count = 0_i64;
        for (key, kind) in batch.poison() {
            count = count.saturating_add(self.note(&key, kind).await?);
        }
        Ok(count)
    }

    async fn note(&mut self, key: &Key, kind: &str) -> Result<i64, Trouble> {
        let ledger = &self.shop.ledger;
        let sql = format!(
            "INSERT INTO {} (job, kind, key) VALUES ($1, $2, {}) ON CONFLICT DO NOTHING",
            ledger.tables.quarantine,
            ledger.statements.key.write(3)
        );
        let statement = self.desk.prepare(sql).await?;
        let own: [&(dyn ToSql + Sync); 2] = [&ledger.job, &kind];
        let parameters: Vec<_> = own.into_iter().chain(key.parameters()).collect();
        Ok(i64::try_from(self.desk.execute(&statement, &parameters).await?).unwrap_or(i64::MAX))
    }

    /// The one row of the batch can't be written.
    pub(crate) async fn poisoned(
        &mut self,
        lease: &mut Lease,
        batch: &Batch,
        kind: &str,
    ) -> Result<(), Trouble> {
        let Some(key) = batch.last() else { return Ok(()) };
        self.desk.begin(limits(&self.shop.settings, 1)).await?;
        let quarantined = self.note(&key, kind).await?;
        let processed = if lease.pass == FIRST_PASS { 1 } else { quarantined };
        let retried = std::mem::take(&mut self.learned.retried);
        let counts = Counts { processed, quarantined, retried, ..Counts::default() };
        self.fence(lease, &counts, batch.end()).await?;
        self.desk.commit().await?;
        lease.cursor = batch.end().cloned();
        (self.shop.tell)(counts);
        self.check_budget(kind).await
    }

    async fn check_budget(&self, why: &str) -> Result<(), Trouble> {
        let counts = self.shop.ledger.counts(self.desk).await?;
        self.shop.ledger.check_budget(self.shop.settings.budget, &counts, why)
    }

    /// Writes down what was done; returns whether to go on, and how many rows have stayed on their page.
    async fn fence(
        &mut self,
        lease: &Lease,
        counts: &Counts,
        cursor: Option<&Key>,
    ) -> Result<(bool, u64), Trouble> {
        let ledger = &self.shop.ledger;
        let statement =
            self.desk.prepare(ledger.fence(lease.pass, cursor.is_some(), self.shop.shape.oid)).await?;
        let own: [&(dyn ToSql + Sync); 3] = [&ledger.job, &lease.number, &lease.token];
        let parameters: Vec<_> = own
            .into_iter()
            .chain(counts.parameters())
            .chain(cursor.into_iter().flat_map(Key::parameters))
            .collect();
        let Some(row) = self.desk.query_opt(&statement, &parameters).await? else {
            return Err(Trouble::Fenced);
        };
        Ok((row.try_get(0)?, self.desk.hot.since(row.try_get(1)?)))
    }
}
