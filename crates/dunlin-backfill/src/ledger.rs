//! What is written down about a backfill: how far it is, and who is at which range.
//!
//! Whatever a worker writes to its range it writes in the transaction of the rows, and only if the range is still its own: by its token,
//! which another worker that takes over raises. All times are the server's.

use std::time::Duration;

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row as SqlRow};

use crate::error::Fault;
use crate::key::Key;
use crate::statements::{Bounds, Statements};
use crate::tables::Tables;
use crate::trouble::Trouble;

/// Rows in a range: enough that handing one out costs nothing, and few enough that several workers end together.
const RANGE: i64 = 200_000;

/// One backfill in the tables.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    pub(crate) tables: Tables,
    pub(crate) statements: Statements,
    pub(crate) job: String,
    pub(crate) lease: Duration,
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

/// What a worker is to do.
#[derive(Debug)]
pub(crate) enum Claim {
    /// Work on this range.
    Range(Lease),
    /// Look again later: others are at work on what is left.
    Wait,
    /// Somebody has asked it to stop for a while.
    Paused,
    /// It is over.
    Finished,
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

/// A pass in which nothing was changed is the last one. Somebody who writes rows in the old way all the time could keep it from ever coming.
const MOST_PASSES: i32 = 5;

impl Ledger {
    /// Writes down that it begins, or goes on. One that was finished looks after what remains by now.
    pub(crate) async fn begin(
        &self,
        client: &Client,
        revision: i32,
        source: &str,
        estimate: i64,
    ) -> Result<(), Trouble> {
        let jobs = &self.tables.jobs;
        let sql = format!(
            "INSERT INTO {jobs} AS j (name, revision, source, state, pass, is_handed_out, ranges, estimate, started_at) \
             VALUES ($1, $2, $3, 'running', {FIRST_PASS}, false, 0, $4, pg_catalog.clock_timestamp()) \
             ON CONFLICT (name) DO UPDATE SET state = 'running', failure = NULL, finished_at = NULL, revision = $2, source = $3, \
             pass = CASE WHEN j.state = 'finished' THEN {FIRST_PASS} + 1 ELSE j.pass END, \
             changed_before = CASE WHEN j.state = 'finished' THEN j.changed ELSE j.changed_before END, \
             is_handed_out = CASE WHEN j.state = 'finished' THEN false ELSE j.is_handed_out END, \
             frontier = CASE WHEN j.state = 'finished' THEN NULL ELSE j.frontier END, \
             upper = CASE WHEN j.state = 'finished' THEN NULL ELSE j.upper END, \
             settled_at = CASE WHEN j.state = 'finished' THEN NULL ELSE j.settled_at END"
        );
        client.execute(&sql, &[&self.job, &revision, &source, &estimate]).await?;
        Ok(())
    }

    /// Takes a range: one whose worker has not been heard of or has no session any more, or a new one.
    pub(crate) async fn claim(&self, client: &Client, worker: &str) -> Result<Claim, Trouble> {
        let begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL synchronous_commit = on; \
                     SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0";
        client.batch_execute(begin).await?;
        let claimed = self.claim_within(client, worker).await;
        client.batch_execute(if claimed.is_ok() { "COMMIT" } else { "ROLLBACK" }).await?;
        claimed
    }

    async fn claim_within(&self, client: &Client, worker: &str) -> Result<Claim, Trouble> {
        let Tables { jobs, ranges, .. } = &self.tables;
        let keys = self.statements.key_parts();
        let sql = format!(
            "SELECT state, wanted, pass, is_handed_out, ranges, settled_at, failure, {}, {} FROM {jobs} \
             WHERE name OPERATOR(pg_catalog.=) $1 FOR NO KEY UPDATE",
            self.statements.read_key("frontier"),
            self.statements.read_key("upper"),
        );
        let Some(row) = client.query_opt(&sql, &[&self.job]).await? else {
            return Err(Fault::Cancelled.into());
        };
        match (row.try_get(0)?, row.try_get(1)?) {
            ("finished", _) => return Ok(Claim::Finished),
            ("failed", _) => {
                let text: Option<String> = row.try_get(6)?;
                let text = text.unwrap_or_else(|| "another worker has failed".to_owned());
                return Err(Fault::Refused { what: "another worker has met this", text, code: None }.into());
            }
            (_, "cancel") => return Err(Fault::Cancelled.into()),
            (_, "pause") => return Ok(Claim::Paused),
            _ => {}
        }
        let pass: i32 = row.try_get(2)?;
        if let Some(lease) = self.take_over(client, worker, pass).await? {
            return Ok(Claim::Range(lease));
        }
        if !row.try_get::<_, bool>(3)? {
            if let Some(settled_at) = row.try_get::<_, Option<&str>>(5)?
                && !is_settled(client, settled_at).await?
            {
                return Ok(Claim::Wait);
            }
            let frontier = Key::read(&row, 7, keys)?;
            let upper = Key::read(&row, keys.saturating_add(7), keys)?;
            return self.hand_out(client, worker, row.try_get(4)?, pass, frontier, upper).await;
        }
        let left = format!("SELECT EXISTS (SELECT FROM {ranges} WHERE job OPERATOR(pg_catalog.=) $1)");
        if client.query_one(&left, &[&self.job]).await?.try_get(0)? {
            return Ok(Claim::Wait);
        }
        self.end_pass(client, pass).await
    }

    async fn take_over(&self, client: &Client, worker: &str, pass: i32) -> Result<Option<Lease>, Trouble> {
        let ranges = &self.tables.ranges;
        let sql = format!(
            "UPDATE {ranges} AS r SET token = r.token OPERATOR(pg_catalog.+) 1, worker = $2, pid = pg_catalog.pg_backend_pid(), leased_until = {until} \
             FROM (SELECT number AS taken FROM {ranges} WHERE job OPERATOR(pg_catalog.=) $1 \
              AND (leased_until OPERATOR(pg_catalog.<) pg_catalog.clock_timestamp() \
               OR NOT EXISTS (SELECT FROM pg_catalog.pg_stat_get_activity(pid))) \
              ORDER BY number LIMIT 1 FOR UPDATE SKIP LOCKED) AS t \
             WHERE r.job OPERATOR(pg_catalog.=) $1 AND r.number OPERATOR(pg_catalog.=) t.taken \
             RETURNING r.number, r.token, {cursor}, {upper}",
            until = self.until(),
            cursor = self.statements.read_key("r.cursor"),
            upper = self.statements.read_key("r.upper"),
        );
        let Some(row) = client.query_opt(&sql, &[&self.job, &worker]).await? else { return Ok(None) };
        let keys = self.statements.key_parts();
        Ok(Some(Lease {
            number: row.try_get(0)?,
            token: row.try_get(1)?,
            cursor: Key::read(&row, 2, keys)?,
            upper: Key::read(&row, keys.saturating_add(2), keys)?,
            pass,
        }))
    }

    /// Hands out the range behind the frontier. At the beginning of a pass its end is frozen: what comes after it was written when the
    /// backfill was known.
    async fn hand_out(
        &self,
        client: &Client,
        worker: &str,
        number: i64,
        pass: i32,
        frontier: Option<Key>,
        upper: Option<Key>,
    ) -> Result<Claim, Trouble> {
        let Self { statements, job, .. } = self;
        let Tables { jobs, ranges, .. } = &self.tables;
        let keys = statements.key_parts();
        let last = match upper {
            Some(upper) => upper,
            None => match client.query_opt(&statements.last(), &[]).await? {
                Some(row) => Key::read(&row, 0, keys)?.ok_or(Trouble::Fenced)?,
                None => return self.end_pass(client, pass).await,
            },
        };
        // What was missed are a few rows: to look where every so many of them end would take as long as to look after them.
        let boundary = match pass {
            FIRST_PASS => self.boundary(client, frontier.as_ref(), &last).await?,
            _ => None,
        };
        let is_last = boundary.is_none();
        let end = boundary.unwrap_or_else(|| last.clone());
        let optional = |key: &Option<Key>, first: usize| match key {
            Some(_) => statements.write_key(first),
            None => "NULL".to_owned(),
        };
        // What was finished is in the row of the backfill, and its number is not used again.
        let sql = format!(
            "WITH job AS (UPDATE {jobs} SET frontier = {end}, upper = {last}, is_handed_out = {is_last}, \
              ranges = ranges OPERATOR(pg_catalog.+) 1 WHERE name OPERATOR(pg_catalog.=) $1) \
             INSERT INTO {ranges} (job, number, cursor, upper, token, worker, pid, leased_until) \
             VALUES ($1, $2, {cursor}, {end}, 1, $3, pg_catalog.pg_backend_pid(), {until})",
            end = statements.write_key(4),
            last = statements.write_key(keys.saturating_add(4)),
            cursor = optional(&frontier, keys.saturating_mul(2).saturating_add(4)),
            until = self.until(),
        );
        let own: [&(dyn ToSql + Sync); 3] = [job, &number, &worker];
        let parameters: Vec<_> = own
            .into_iter()
            .chain(end.parameters())
            .chain(last.parameters())
            .chain(frontier.iter().flat_map(Key::parameters))
            .collect();
        client.execute(&sql, &parameters).await?;
        Ok(Claim::Range(Lease { number, token: 1, cursor: frontier, upper: Some(end), pass }))
    }

    /// The last key of a range that begins behind the frontier; nothing if there are no more rows than a range has.
    async fn boundary(
        &self,
        client: &Client,
        frontier: Option<&Key>,
        last: &Key,
    ) -> Result<Option<Key>, Trouble> {
        let bounds = Bounds { lower: frontier.is_some(), upper: true };
        let offset: &(dyn ToSql + Sync) = &RANGE.saturating_sub(1);
        let parameters = frontier.into_iter().flat_map(Key::parameters).chain(last.parameters());
        let parameters: Vec<_> = parameters.chain([offset]).collect();
        match client.query_opt(&self.statements.boundary(bounds), &parameters).await? {
            Some(row) => Key::read(&row, 0, self.statements.key_parts()),
            None => Ok(None),
        }
    }

    /// All ranges of a pass are done. What was committed behind the workers is left for another, which begins when every transaction is over
    /// that is open now; a pass that has changed nothing was the last.
    async fn end_pass(&self, client: &Client, pass: i32) -> Result<Claim, Trouble> {
        let jobs = &self.tables.jobs;
        let sql = format!(
            "UPDATE {jobs} SET frontier = NULL, upper = NULL, is_handed_out = false, pass = pass OPERATOR(pg_catalog.+) 1, \
             settled_at = pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::pg_catalog.text, changed_before = changed \
             WHERE name OPERATOR(pg_catalog.=) $1 AND (pass OPERATOR(pg_catalog.=) {FIRST_PASS} \
              OR changed OPERATOR(pg_catalog.>) changed_before AND pass OPERATOR(pg_catalog.<) {MOST_PASSES})"
        );
        if client.execute(&sql, &[&self.job]).await? > 0 {
            return Ok(Claim::Wait);
        }
        tracing::debug!(
            backfill = self.job,
            passes = pass.saturating_add(1),
            "a backfill has come to its end"
        );
        let sql = format!(
            "UPDATE {jobs} SET state = 'finished', finished_at = pg_catalog.clock_timestamp() \
             WHERE name OPERATOR(pg_catalog.=) $1"
        );
        client.execute(&sql, &[&self.job]).await?;
        Ok(Claim::Finished)
    }

    /// The statement that writes down what a transaction has done, renews the lease, and asks what is wanted. Parameters: the job, the number
    /// and the token of the range, the counts, then the cursor. One row, or none if the range is somebody else's by now: whether to go
    /// on, and how many updates of this transaction have stayed on their page.
    pub(crate) fn fence(&self, moves: bool, oid: u32) -> String {
        let Tables { jobs, ranges, .. } = &self.tables;
        let cursor =
            if moves { format!("cursor = {}, ", self.statements.write_key(9)) } else { String::new() };
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
        let sql = format!(
            "UPDATE {} SET token = token OPERATOR(pg_catalog.+) 1, pid = pg_catalog.pg_backend_pid(), leased_until = {} \
             WHERE job OPERATOR(pg_catalog.=) $1 AND number OPERATOR(pg_catalog.=) $2 AND token OPERATOR(pg_catalog.=) $3 \
             RETURNING token, {}",
            self.tables.ranges,
            self.until(),
            self.statements.read_key("cursor"),
        );
        let found = client.query_opt(&sql, &[&self.job, &lease.number, &lease.token]).await?;
        let Some(row) = found else { return Ok(None) };
        let cursor = Key::read(&row, 1, self.statements.key_parts())?;
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

    /// All counts, of what is finished and what is under way.
    pub(crate) async fn counts(&self, client: &Client) -> Result<Counts, Trouble> {
        let Tables { jobs, ranges, .. } = &self.tables;
        let sums: Vec<_> = ["processed", "changed", "quarantined", "retried", "batches"]
            .map(|name| {
                format!(
                    "j.{name} OPERATOR(pg_catalog.+) coalesce((SELECT pg_catalog.sum(r.{name}) FROM {ranges} AS r \
                     WHERE r.job OPERATOR(pg_catalog.=) $1), 0)::pg_catalog.int8"
                )
            })
            .into();
        let sql =
            format!("SELECT {} FROM {jobs} AS j WHERE j.name OPERATOR(pg_catalog.=) $1", sums.join(", "));
        let found = client.query_opt(&sql, &[&self.job]).await?;
        found.as_ref().map_or(Ok(Counts::default()), Counts::read)
    }

    /// Whether nobody wants it to stop.
    pub(crate) async fn is_wanted(&self, client: &Client) -> Result<bool, Trouble> {
        let sql = format!(
            "SELECT state OPERATOR(pg_catalog.=) 'running' AND wanted OPERATOR(pg_catalog.=) 'run' FROM {} \
             WHERE name OPERATOR(pg_catalog.=) $1",
            self.tables.jobs
        );
        let found = client.query_opt(&sql, &[&self.job]).await?;
        Ok(found.map(|row| row.try_get(0)).transpose()?.unwrap_or_default())
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
        client.execute(&sql, &[&self.job, &why]).await?;
        Ok(())
    }

    /// Forgets what was set aside, and looks after what remains once more.
    pub(crate) async fn retry(&self, client: &Client) -> Result<(), Trouble> {
        let Tables { jobs, quarantine, .. } = &self.tables;
        let sql = format!(
            "WITH released AS (DELETE FROM {quarantine} WHERE job OPERATOR(pg_catalog.=) $1 RETURNING 1), \
              n AS (SELECT pg_catalog.count(*) AS count FROM released) \
             UPDATE {jobs} SET processed = processed OPERATOR(pg_catalog.-) n.count, \
             quarantined = quarantined OPERATOR(pg_catalog.-) n.count, \
             pass = pg_catalog.int4larger(pass, {FIRST_PASS} OPERATOR(pg_catalog.+) 1), changed_before = changed, \
             frontier = NULL, upper = NULL, is_handed_out = false FROM n WHERE name OPERATOR(pg_catalog.=) $1"
        );
        client.execute(&sql, &[&self.job]).await?;
        Ok(())
    }

    /// Forgets it.
    pub(crate) async fn forget(&self, client: &Client) -> Result<(), Trouble> {
        let sql = format!("DELETE FROM {} WHERE name OPERATOR(pg_catalog.=) $1", self.tables.jobs);
        client.execute(&sql, &[&self.job]).await?;
        Ok(())
    }

    fn until(&self) -> String {
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

/// Whether every transaction is over that was open when this number was the next to be given.
async fn is_settled(client: &Client, settled_at: &str) -> Result<bool, Trouble> {
    let sql = "SELECT pg_catalog.pg_snapshot_xmin(pg_catalog.pg_current_snapshot())::pg_catalog.text::pg_catalog.numeric \
               OPERATOR(pg_catalog.>=) $1::pg_catalog.text::pg_catalog.numeric";
    Ok(client.query_one(sql, &[&settled_at]).await?.try_get(0)?)
}
