//! Who works on which range, and when a pass is over.

use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use crate::error::Fault;
use crate::key::Key;
use crate::ledger::{FIRST_PASS, Lease, Ledger, NEW_PASS};
use crate::tables::Tables;
use crate::track::Bounds;
use crate::trouble::Trouble;

/// A pass in which nothing was changed is the last one. Somebody who writes rows in the old way all the time could keep it from ever coming.
const MOST_PASSES: i32 = 5;

/// What a worker is to do.
#[derive(Debug)]
pub(crate) enum Claim {
    /// Work on this range.
    Range(Lease),
    /// Ask again: a pass is over, and another one begins.
    Again,
    /// Look again later: others are at work on what is left.
    Wait,
    /// Somebody has asked it to stop for a while.
    Paused,
    /// It is over.
    Finished,
}

impl Ledger {
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
        let sql = format!(
            "SELECT state, wanted, pass, is_handed_out, ranges, open_before, failure, waits_for FROM {jobs} \
             WHERE name OPERATOR(pg_catalog.=) $1 FOR NO KEY UPDATE"
        );
        let Some(row) = client.query_opt(&sql, &[&self.job]).await? else {
            return Err(Fault::Forgotten.into());
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
            if let Some(open) = row.try_get::<_, Option<&str>>(5)? {
                let waits_for = still_open(client, open).await?;
                let said: Option<&str> = row.try_get(7)?;
                if said != waits_for.as_deref() {
                    self.wait(client, waits_for.as_deref()).await?;
                }
                if waits_for.is_some() {
                    return Ok(Claim::Wait);
                }
            }
            // Of which types they are depends on the pass.
            let track = &self.of(pass).track;
            let sql = format!(
                "SELECT {}, {} FROM {jobs} WHERE name OPERATOR(pg_catalog.=) $1",
                track.read("frontier"),
                track.read("upper")
            );
            let ends = client.query_one(&sql, &[&self.job]).await?;
            let frontier = Key::read(&ends, 0, track.len())?;
            let upper = Key::read(&ends, track.len(), track.len())?;
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
        let track = &self.of(pass).track;
        let sql = format!(
            "UPDATE {ranges} AS r SET token = r.token OPERATOR(pg_catalog.+) 1, worker = $2, pid = pg_catalog.pg_backend_pid(), leased_until = {until} \
             FROM (SELECT number AS taken FROM {ranges} WHERE job OPERATOR(pg_catalog.=) $1 \
              AND (leased_until OPERATOR(pg_catalog.<) pg_catalog.clock_timestamp() \
               OR NOT EXISTS (SELECT FROM pg_catalog.pg_stat_get_activity(pid))) \
              ORDER BY number LIMIT 1 FOR UPDATE SKIP LOCKED) AS t \
             WHERE r.job OPERATOR(pg_catalog.=) $1 AND r.number OPERATOR(pg_catalog.=) t.taken \
             RETURNING r.number, r.token, {cursor}, {upper}",
            until = self.until(),
            cursor = track.read("r.cursor"),
            upper = track.read("r.upper"),
        );
        let Some(row) = client.query_opt(&sql, &[&self.job, &worker]).await? else { return Ok(None) };
        let keys = track.len();
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
        let (track, job) = (&self.of(pass).track, &self.job);
        let Tables { jobs, ranges, .. } = &self.tables;
        let keys = track.len();
        let last = match upper {
            Some(upper) => upper,
            None => match client.query_opt(&track.last(), &[]).await? {
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
            Some(_) => track.write(first),
            None => "NULL".to_owned(),
        };
        // What was finished is in the row of the backfill, and its number is not used again.
        let sql = format!(
            "WITH job AS (UPDATE {jobs} SET frontier = {end}, upper = {last}, is_handed_out = {is_last}, \
              ranges = ranges OPERATOR(pg_catalog.+) 1 WHERE name OPERATOR(pg_catalog.=) $1) \
             INSERT INTO {ranges} (job, number, cursor, upper, token, worker, pid, leased_until) \
             VALUES ($1, $2, {cursor}, {end}, 1, $3, pg_catalog.pg_backend_pid(), {until})",
            end = track.write(4),
            last = track.write(keys.saturating_add(4)),
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
        let track = &self.statements.track;
        let rows = usize::try_from(self.range).unwrap_or(usize::MAX);
        if let Some(end) = track.reckon(frontier, Some(last), rows) {
            return Ok(end);
        }
        let bounds = Bounds { lower: frontier.is_some(), upper: true };
        let offset: &(dyn ToSql + Sync) = &self.range.saturating_sub(1);
        let parameters = frontier.into_iter().flat_map(Key::parameters).chain(last.parameters());
        let parameters: Vec<_> = parameters.chain([offset]).collect();
        match client.query_opt(&track.boundary(bounds), &parameters).await? {
            Some(row) => Key::read(&row, 0, track.len()),
            None => Ok(None),
        }
    }

    /// All ranges of a pass are done. What was committed behind the workers is left for another, which begins when every transaction is over
    /// that is open now; a pass that has changed nothing was the last.
    async fn end_pass(&self, client: &Client, pass: i32) -> Result<Claim, Trouble> {
        let jobs = &self.tables.jobs;
        let sql = format!(
            "UPDATE {jobs} SET {NEW_PASS}, pass = pass OPERATOR(pg_catalog.+) 1, \
             open_before = (SELECT pg_catalog.string_agg(o.xid, ' ') FROM ({OPEN}) AS o) \
             WHERE name OPERATOR(pg_catalog.=) $1 AND (pass OPERATOR(pg_catalog.=) {FIRST_PASS} \
              OR changed OPERATOR(pg_catalog.>) changed_before AND pass OPERATOR(pg_catalog.<) {MOST_PASSES})"
        );
        if client.execute(&sql, &[&self.job]).await? > 0 {
            return Ok(Claim::Again);
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
        self.log(client, "backfilled").await?;
        Ok(Claim::Finished)
    }
}

/// The transactions of this database that have written something and are not over, but one's own: what they have written may have been
/// behind a worker already, and nobody has seen it. A transaction that writes later writes what the program of by now writes.
///
/// Those of other databases are none of ours, though a snapshot has them, too.
const OPEN: &str = "SELECT l.transactionid::pg_catalog.text AS xid, l.pid FROM pg_catalog.pg_locks AS l \
    LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid OPERATOR(pg_catalog.=) l.pid \
    LEFT JOIN pg_catalog.pg_prepared_xacts AS p ON p.transaction::pg_catalog.text OPERATOR(pg_catalog.=) l.transactionid::pg_catalog.text \
    WHERE l.locktype OPERATOR(pg_catalog.=) 'transactionid' AND l.mode OPERATOR(pg_catalog.=) 'ExclusiveLock' AND l.granted \
    AND coalesce(a.datname, p.database) OPERATOR(pg_catalog.=) pg_catalog.current_database() \
    AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid()";

/// What of these transactions is not over, in words.
async fn still_open(client: &Client, open: &str) -> Result<Option<String>, Trouble> {
    let sql = format!(
        "SELECT coalesce('process ' OPERATOR(pg_catalog.||) o.pid::pg_catalog.text, 'a prepared one') FROM ({OPEN}) AS o \
         WHERE o.xid OPERATOR(pg_catalog.=) ANY (pg_catalog.string_to_array($1, ' ')) ORDER BY o.pid LIMIT 3"
    );
    let rows = client.query(&sql, &[&open]).await?;
    let who: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    Ok((!who.is_empty())
        .then(|| format!("a transaction that was open when all rows had been read: {}", who.join(", "))))
}
