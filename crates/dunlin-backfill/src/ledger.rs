//! What is written down about a backfill: how far it is, and who is at which range.
//!
//! Whatever a worker writes to its range it writes in the transaction of the rows, and only if the range is still its own: by its token,
//! which another worker that takes over raises. All times are the server's.

use std::time::Duration;

use dunlin_core::Migrator;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row as SqlRow};

use crate::Budget;
use crate::error::Fault;
use crate::key::Key;
use crate::shape::Shape;
use crate::statements::Statements;
use crate::tables::Tables;
use crate::target::Filled;
use crate::trouble::Trouble;

/// One backfill in the tables.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    pub(crate) migrator: Migrator,
    pub(crate) tables: Tables,
    /// Of the first pass.
    pub(crate) statements: Statements,
    /// Of those after it, which go along the key and leave out what was set aside.
    pub(crate) sweep: Statements,
    /// Of the first pass where all rows of the table can be taken for such that remain.
    pub(crate) all: Option<Statements>,
    pub(crate) job: String,
    pub(crate) lease: Duration,
    /// Rows in a range.
    pub(crate) range: i64,
}

/// A range has a sixteenth of the table, so that several workers have something to do until the end; fewer rows than these are not
/// worth handing out, and more are a long way for whoever takes over from one that has died.
const RANGES: i64 = 16;
const FEWEST: i64 = 1_000;
const MOST: i64 = 200_000;

/// How many rows a range of a table with so many has.
pub(crate) fn range_of(rows: i64) -> i64 {
    rows.checked_div(RANGES).unwrap_or_default().clamp(FEWEST, MOST)
}

/// A range of the table that is a worker's, as long as nobody has raised its token.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    pub(crate) number: i64,
    pub(crate) token: i64,
    /// The key of the last row that is done, if any is.
    pub(crate) cursor: Option<Key>,
    /// The key of the last row that is in it; without one it ends with the table.
    pub(crate) upper: Option<Key>,
    pub(crate) pass: i32,
}

/// How the first pass of a backfill goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FirstPass {
    /// Along the places of the rows.
    pub(crate) along_places: bool,
    /// It takes all rows for such that remain, as the table that is filled was empty.
    pub(crate) takes_all: bool,
}

/// What was done in a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) processed: i64,
    pub(crate) changed: i64,
    pub(crate) quarantined: i64,
    pub(crate) retried: i64,
    pub(crate) batches: i64,
}

/// What an error says when a range is somebody else's.
pub(crate) const FENCED: &str = "dunlin: fenced";

/// The first pass goes through all rows, those after it through what was missed.
pub(crate) const FIRST_PASS: i32 = 0;

/// Nothing of a pass is handed out yet.
pub(crate) const NEW_PASS: &str =
    "frontier = NULL, upper = NULL, is_handed_out = false, changed_before = changed";

impl Ledger {
    /// What a pass reads with.
    pub(crate) fn of(&self, pass: i32) -> &Statements {
        if pass == FIRST_PASS { &self.statements } else { &self.sweep }
    }

    /// Whether a worker of this pass begins its ranges without a look at what is there.
    pub(crate) fn takes_all(&self, pass: i32) -> bool {
        pass == FIRST_PASS && self.all.is_some()
    }

    /// What the next batch is read with.
    pub(crate) fn reading(&self, pass: i32, takes_all: bool) -> &Statements {
        let all = self.all.as_ref().filter(|_| takes_all && pass == FIRST_PASS);
        all.unwrap_or_else(|| self.of(pass))
    }

    /// Writes down that it begins, or goes on. One that was finished looks after what remains by now. Returns what whoever has begun it has
    /// said of its first pass for all.
    pub(crate) async fn begin(
        &self,
        client: &Client,
        revision: i32,
        shape: &Shape,
        filled: Filled,
    ) -> Result<FirstPass, Trouble> {
        let jobs = &self.tables.jobs;
        let again = format!(
            "UPDATE {jobs} SET {NEW_PASS}, pass = {FIRST_PASS} + 1, open_before = NULL \
             WHERE name OPERATOR(pg_catalog.=) $1 AND state OPERATOR(pg_catalog.=) 'finished'"
        );
        client.execute(&again, &[&self.job]).await?;
        let sql = format!(
            "INSERT INTO {jobs} AS j (name, revision, source, state, pass, is_handed_out, ranges, estimate, along_places, takes_all, started_at) \
             VALUES ($1, $2, $3, 'running', {FIRST_PASS}, false, 0, $4, $5, $6, pg_catalog.clock_timestamp()) \
             ON CONFLICT (name) DO UPDATE SET state = 'running', failure = NULL, finished_at = NULL, revision = $2, source = $3 \
             RETURNING j.along_places, j.takes_all"
        );
        let along_places = shape.is_one_heap && !shape.is_in_order;
        let takes_all = filled == Filled { is_unique: true, is_empty: true };
        let begun = client
            .query_one(
                &sql,
                &[&self.job, &revision, &shape.table, &shape.estimate, &along_places, &takes_all],
            )
            .await?;
        // Without the index nothing would keep a row from being there twice.
        let takes_all = begun.try_get::<_, bool>(1)? && filled.is_unique;
        Ok(FirstPass { along_places: begun.try_get(0)?, takes_all })
    }

    /// The statement that writes down what a transaction has done, renews the lease, and asks what is wanted. Parameters: the job, the number
    /// and the token of the range, the counts, then the cursor. One row, or none if the range is somebody else's by now: whether to go
    /// on, and how many updates of this transaction have stayed on their page.
    pub(crate) fn fence(&self, pass: i32, moves: bool, oid: u32) -> String {
        let Tables { jobs, ranges, .. } = &self.tables;
        let cursor =
            if moves { format!("cursor = {}, ", self.of(pass).track.write(9)) } else { String::new() };
        format!(
            "WITH own AS (UPDATE {ranges} SET {cursor}leased_until = {until}, \
              processed = processed OPERATOR(pg_catalog.+) $4, changed = changed OPERATOR(pg_catalog.+) $5, \
              quarantined = quarantined OPERATOR(pg_catalog.+) $6, retried = retried OPERATOR(pg_catalog.+) $7, \
              batches = batches OPERATOR(pg_catalog.+) $8 \
              WHERE job OPERATOR(pg_catalog.=) $1 AND number OPERATOR(pg_catalog.=) $2 AND token OPERATOR(pg_catalog.=) $3 RETURNING 1) \
             SELECT j.state OPERATOR(pg_catalog.=) 'running' AND j.wanted OPERATOR(pg_catalog.=) 'run', pg_catalog.pg_stat_get_xact_tuples_hot_updated({oid}::pg_catalog.oid) \
             FROM own, {jobs} AS j WHERE j.name OPERATOR(pg_catalog.=) $1",
            until = self.until(),
        )
    }

    /// The statement that writes changes and, with them, how many: nothing is written if the range is somebody else's by now, which
    /// fails with [`FENCED`]. It is a transaction of its own. Parameters: those of the statement that writes, then the job, the number and
    /// the token of the range. One row: how many rows were written, and how many of them have stayed on their page.
    pub(crate) fn write(&self, oid: u32) -> String {
        let Statements { write, arrays, .. } = &self.statements;
        let parameter = |number: usize| format!("${}", arrays.saturating_add(number));
        format!(
            "WITH written AS ({write} RETURNING 1), \
              counted AS (SELECT pg_catalog.count(*) AS count FROM written), \
              own AS (UPDATE {ranges} AS r SET leased_until = {until}, processed = r.processed OPERATOR(pg_catalog.+) c.count, \
               changed = r.changed OPERATOR(pg_catalog.+) c.count FROM counted AS c WHERE r.job OPERATOR(pg_catalog.=) {job} \
               AND r.number OPERATOR(pg_catalog.=) {number} AND r.token OPERATOR(pg_catalog.=) {token} RETURNING c.count) \
             SELECT CASE WHEN own.count IS NULL THEN \
               pg_catalog.concat('{FENCED} ', c.count)::pg_catalog.int8 ELSE own.count END, \
              pg_catalog.pg_stat_get_xact_tuples_hot_updated({oid}::pg_catalog.oid) FROM counted AS c LEFT JOIN own ON true",
            ranges = self.tables.ranges,
            until = self.until(),
            job = parameter(1),
            number = parameter(2),
            token = parameter(3),
        )
    }

    /// The range is done: its counts go into those of the backfill. Fails if it is somebody else's by now.
    pub(crate) async fn close(&self, client: &Client, lease: &Lease) -> Result<(), Trouble> {
        let Tables { jobs, ranges, .. } = &self.tables;
        let sums: Vec<_> = ["processed", "changed", "quarantined", "retried", "batches"]
            .map(|name| format!("{name} = j.{name} OPERATOR(pg_catalog.+) d.{name}"))
            .into();
        let sql = format!(
            "WITH done AS (DELETE FROM {ranges} WHERE job OPERATOR(pg_catalog.=) $1 AND number OPERATOR(pg_catalog.=) $2 \
              AND token OPERATOR(pg_catalog.=) $3 RETURNING *) \
             UPDATE {jobs} AS j SET {} FROM done AS d WHERE j.name OPERATOR(pg_catalog.=) d.job",
            sums.join(", ")
        );
        match client.execute(&sql, &[&self.job, &lease.number, &lease.token]).await? {
            0 => Err(Trouble::Fenced),
            _ => Ok(()),
        }
    }

    /// Takes the range again after a connection was lost: nothing if it is somebody else's by now. What that connection still has at the
    /// server is fenced by another token, as if it were another worker's.
    pub(crate) async fn reload(&self, client: &Client, lease: &Lease) -> Result<Option<Lease>, Trouble> {
        let track = &self.of(lease.pass).track;
        let sql = format!(
            "UPDATE {} SET token = token OPERATOR(pg_catalog.+) 1, pid = pg_catalog.pg_backend_pid(), leased_until = {} \
             WHERE job OPERATOR(pg_catalog.=) $1 AND number OPERATOR(pg_catalog.=) $2 AND token OPERATOR(pg_catalog.=) $3 \
             RETURNING token, {}",
            self.tables.ranges,
            self.until(),
            track.read("cursor"),
        );
        let found = client.query_opt(&sql, &[&self.job, &lease.number, &lease.token]).await?;
        let Some(row) = found else { return Ok(None) };
        let cursor = Key::read(&row, 1, track.len())?;
        Ok(Some(Lease { token: row.try_get(0)?, cursor, ..lease.clone() }))
    }

    /// Gives the range back, for the next one who asks.
    pub(crate) async fn release(&self, client: &Client, lease: &Lease) -> Result<(), Trouble> {
        let sql = format!(
            "UPDATE {} SET leased_until = '-infinity' WHERE job OPERATOR(pg_catalog.=) $1 \
             AND number OPERATOR(pg_catalog.=) $2 AND token OPERATOR(pg_catalog.=) $3",
            self.tables.ranges
        );
        client.execute(&sql, &[&self.job, &lease.number, &lease.token]).await?;
        Ok(())
    }

    /// Fails if more was set aside than may be.
    pub(crate) fn check_budget(&self, budget: Budget, counts: &Counts, why: &str) -> Result<(), Trouble> {
        let [quarantined, looked_at] =
            [counts.quarantined, counts.processed].map(|count| u64::try_from(count).unwrap_or_default());
        if budget.allows(quarantined, looked_at) {
            return Ok(());
        }
        let table = self.tables.quarantine.clone();
        Err(Fault::Poisoned { quarantined, looked_at, why: why.to_owned(), table }.into())
    }

    /// All counts, of what is finished and what is under way.
    pub(crate) async fn counts(&self, client: &Client) -> Result<Counts, Trouble> {
        let jobs = &self.tables.jobs;
        let sql = format!("SELECT {} FROM {jobs} AS j WHERE j.name OPERATOR(pg_catalog.=) $1", self.sums());
        let found = client.query_opt(&sql, &[&self.job]).await?;
        found.as_ref().map_or(Ok(Counts::default()), Counts::read)
    }

    /// The columns of all counts for the backfill `j`, which is called `$1`.
    fn sums(&self) -> String {
        let sum = |name: &str| {
            format!(
                "j.{name} OPERATOR(pg_catalog.+) coalesce((SELECT pg_catalog.sum(r.{name}) FROM {} AS r \
                 WHERE r.job OPERATOR(pg_catalog.=) $1), 0)::pg_catalog.int8 AS {name}",
                self.tables.ranges
            )
        };
        ["processed", "changed", "quarantined", "retried", "batches"].map(sum).join(", ")
    }

    /// Writes down that a worker has waited so long for a signal; returns whether nobody wants it to stop.
    pub(crate) async fn slept(
        &self,
        client: &Client,
        signal: &str,
        pause: Duration,
    ) -> Result<bool, Trouble> {
        let sql = format!(
            "UPDATE {} SET slept_us = slept_us OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object($2::pg_catalog.text, \
              coalesce((slept_us OPERATOR(pg_catalog.->>) $2::pg_catalog.text)::pg_catalog.int8, 0) OPERATOR(pg_catalog.+) $3) \
             WHERE name OPERATOR(pg_catalog.=) $1 \
             RETURNING state OPERATOR(pg_catalog.=) 'running' AND wanted OPERATOR(pg_catalog.=) 'run'",
            self.tables.jobs
        );
        let pause = i64::try_from(pause.as_micros()).unwrap_or(i64::MAX);
        let found = client.query_opt(&sql, &[&self.job, &signal, &pause]).await?;
        Ok(found.map(|row| row.try_get(0)).transpose()?.unwrap_or_default())
    }

    /// Whether it has come to its end; nothing if it has never begun.
    pub(crate) async fn is_finished(&self, client: &Client) -> Result<Option<bool>, Trouble> {
        self.tables.is_finished(client, &self.job).await
    }

    /// Appends all that is counted to the event log, where the migration has a place in it.
    pub(crate) async fn log(&self, client: &Client, event: &'static str) -> Result<(), Trouble> {
        // The name of a part begins with its migration's.
        let is_of = |name: &str| {
            self.job.strip_prefix(name).is_some_and(|part| part.is_empty() || part.starts_with(':'))
        };
        let mut ids = self.migrator.set().iter().map(|migration| migration.id());
        let Some(id) = ids.find(|id| is_of(id.name())) else { return Ok(()) };
        let sql = format!(
            "SELECT pg_catalog.to_jsonb(r)::pg_catalog.text FROM (SELECT j.name AS backfill, {}, j.slept_us, pg_catalog.floor(pg_catalog.date_part('epoch', \
              pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) j.started_at) OPERATOR(pg_catalog.*) 1000000)::pg_catalog.int8 AS took_us, \
              j.failure FROM {} AS j WHERE j.name OPERATOR(pg_catalog.=) $1) AS r",
            self.sums(),
            self.tables.jobs
        );
        let detail: String = client.query_one(&sql, &[&self.job]).await?.try_get(0)?;
        Ok(self.migrator.log_event(client, id, event, &detail).await.map_err(Fault::Core)?)
    }

    /// Writes down what its workers wait for, or that they do not.
    pub(crate) async fn wait(&self, client: &Client, why: Option<&str>) -> Result<(), Trouble> {
        let sql =
            format!("UPDATE {} SET waits_for = $2 WHERE name OPERATOR(pg_catalog.=) $1", self.tables.jobs);
        client.execute(&sql, &[&self.job, &why]).await?;
        Ok(())
    }

    /// Writes down why it stopped.
    pub(crate) async fn fail(&self, client: &Client, why: &str) -> Result<(), Trouble> {
        let sql = format!(
            "UPDATE {} SET state = 'failed', failure = $2 WHERE name OPERATOR(pg_catalog.=) $1 \
             AND state OPERATOR(pg_catalog.=) 'running'",
            self.tables.jobs
        );
        match client.execute(&sql, &[&self.job, &why]).await? {
            0 => Ok(()),
            _ => self.log(client, "backfill_failed").await,
        }
    }

    /// Writes down that rows remain though it has come to its end: somebody writes them in the old way. Whoever calls it next makes another
    /// pass.
    pub(crate) async fn reopen(&self, client: &Client, why: &str) -> Result<(), Trouble> {
        let sql = format!(
            "UPDATE {} SET {NEW_PASS}, pass = {FIRST_PASS} + 1, open_before = NULL, finished_at = NULL, state = 'failed', failure = $2 \
             WHERE name OPERATOR(pg_catalog.=) $1 AND state OPERATOR(pg_catalog.=) 'finished'",
            self.tables.jobs
        );
        client.execute(&sql, &[&self.job, &why]).await?;
        Ok(())
    }

    /// Forgets what was set aside: the next pass finds it, and a pass that is not the first begins anew.
    pub(crate) async fn retry(&self, client: &Client) -> Result<(), Trouble> {
        let Tables { jobs, quarantine, .. } = &self.tables;
        let release = format!(
            "WITH released AS (DELETE FROM {quarantine} WHERE job OPERATOR(pg_catalog.=) $1 RETURNING 1), \
              n AS (SELECT pg_catalog.count(*) AS count FROM released) \
             UPDATE {jobs} SET processed = processed OPERATOR(pg_catalog.-) n.count, \
             quarantined = quarantined OPERATOR(pg_catalog.-) n.count FROM n WHERE name OPERATOR(pg_catalog.=) $1"
        );
        client.execute(&release, &[&self.job]).await?;
        let again = format!(
            "UPDATE {jobs} SET {NEW_PASS} WHERE name OPERATOR(pg_catalog.=) $1 AND pass OPERATOR(pg_catalog.>) {FIRST_PASS}"
        );
        client.execute(&again, &[&self.job]).await?;
        Ok(())
    }

    /// Forgets it.
    pub(crate) async fn forget(&self, client: &Client) -> Result<(), Trouble> {
        let sql = format!("DELETE FROM {} WHERE name OPERATOR(pg_catalog.=) $1", self.tables.jobs);
        client.execute(&sql, &[&self.job]).await?;
        Ok(())
    }

    pub(crate) fn until(&self) -> String {
        format!(
            "pg_catalog.clock_timestamp() OPERATOR(pg_catalog.+) '{} milliseconds'::pg_catalog.interval",
            self.lease.as_millis()
        )
    }
}

impl Counts {
    fn read(row: &SqlRow) -> Result<Self, Trouble> {
        Ok(Self {
            processed: row.try_get(0)?,
            changed: row.try_get(1)?,
            quarantined: row.try_get(2)?,
            retried: row.try_get(3)?,
            batches: row.try_get(4)?,
        })
    }

    pub(crate) fn parameters(&self) -> [&(dyn ToSql + Sync); 5] {
        [&self.processed, &self.changed, &self.quarantined, &self.retried, &self.batches]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_a_part_of_the_table_and_neither_tiny_nor_huge() {
        assert_eq!([0, 10_000, 160_000, 10_000_000_000].map(range_of), [FEWEST, FEWEST, 10_000, MOST]);
    }
}
