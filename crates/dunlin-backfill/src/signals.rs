//! The signals that are built in. What the role may not see (`pg_monitor` may) is no reason to wait.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio_postgres::Error as SqlError;

use crate::health::{Checkup, Signal};

/// A streaming replica that has not replayed so many bytes of the log yet.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct ReplicaLag {
    bytes: i64,
}

impl ReplicaLag {
    /// Waits while a replica is further behind than this.
    pub fn bytes(most: u64) -> Self {
        Self { bytes: i64::try_from(most).unwrap_or(i64::MAX) }
    }
}

#[async_trait]
impl Signal for ReplicaLag {
    fn name(&self) -> &'static str {
        "replica lag"
    }

    async fn check(&self, checkup: &Checkup<'_>) -> Result<Option<String>, SqlError> {
        let sql = "SELECT pg_catalog.max(pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), replay_lsn))::pg_catalog.int8 \
                   FROM pg_catalog.pg_stat_replication";
        let behind: Option<i64> = checkup.client.query_one(sql, &[]).await?.try_get(0)?;
        let behind = behind.unwrap_or_default();
        Ok((behind > self.bytes).then(|| format!("a replica is {} MB behind", behind >> 20)))
    }
}

/// A vacuum of the table: what the backfill has left dead is being cleaned up.
#[derive(Clone, Copy, Debug)]
pub struct Autovacuum;

#[async_trait]
impl Signal for Autovacuum {
    fn name(&self) -> &'static str {
        "autovacuum"
    }

    async fn check(&self, checkup: &Checkup<'_>) -> Result<Option<String>, SqlError> {
        let sql = "SELECT phase FROM pg_catalog.pg_stat_progress_vacuum WHERE relid OPERATOR(pg_catalog.=) $1 \
                   AND datname OPERATOR(pg_catalog.=) pg_catalog.current_database() LIMIT 1";
        let phase = checkup.client.query_opt(sql, &[&checkup.oid]).await?;
        let phase: Option<String> = phase.map(|row| row.try_get(0)).transpose()?;
        Ok(phase.map(|phase| format!("the table is vacuumed ({phase})")))
    }
}

/// A snapshot that is so old: until it is gone nothing that the backfill leaves dead can be cleaned up.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct OldestTransaction {
    age: Duration,
}

impl OldestTransaction {
    /// Waits while a transaction is older than this and holds a snapshot.
    pub const fn age(most: Duration) -> Self {
        Self { age: most }
    }
}

#[async_trait]
impl Signal for OldestTransaction {
    fn name(&self) -> &'static str {
        "old transaction"
    }

    async fn check(&self, checkup: &Checkup<'_>) -> Result<Option<String>, SqlError> {
        let sql = "SELECT pid, pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) xact_start) AS age \
                   FROM pg_catalog.pg_stat_activity WHERE datname OPERATOR(pg_catalog.=) pg_catalog.current_database() \
                   AND backend_xmin IS NOT NULL AND backend_type OPERATOR(pg_catalog.=) 'client backend' \
                   AND pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid() AND xact_start IS NOT NULL ORDER BY xact_start LIMIT 1";
        let Some(row) = checkup.client.query_opt(sql, &[]).await? else { return Ok(None) };
        let (pid, age): (i32, f64) = (row.try_get(0)?, row.try_get(1)?);
        let is_old = age > self.age.as_secs_f64();
        Ok(is_old.then(|| format!("process {pid} has held a snapshot for {age:.0} s")))
    }
}

/// How much of the log is written in a second, by everybody.
#[derive(Debug)]
#[must_use]
pub struct WalRate {
    most: f64,
    last: Mutex<Option<Measured>>,
}

/// What was measured last.
#[derive(Clone, Copy, Debug)]
struct Measured {
    at: Instant,
    written: f64,
    rate: f64,
}

/// What lies between two looks that are closer together is no rate.
const SHORTEST: Duration = Duration::from_millis(100);

impl WalRate {
    /// Waits while more is written than this.
    pub fn bytes_per_second(most: u64) -> Self {
        #[expect(clippy::as_conversions, reason = "a rate need not be exact past 2^52 bytes a second")]
        let most = most as f64;
        Self { most, last: Mutex::default() }
    }
}

#[async_trait]
impl Signal for WalRate {
    fn name(&self) -> &'static str {
        "log rate"
    }

    async fn check(&self, checkup: &Checkup<'_>) -> Result<Option<String>, SqlError> {
        let sql =
            "SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), '0/0')::pg_catalog.float8";
        let written: f64 = checkup.client.query_one(sql, &[]).await?.try_get(0)?;
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let rate = match *last {
            Some(before) if before.at.elapsed() < SHORTEST => before.rate,
            before => {
                let since = |before: Measured| (written - before.written) / before.at.elapsed().as_secs_f64();
                let rate = before.map_or(0.0, since);
                *last = Some(Measured { at: Instant::now(), written, rate });
                rate
            }
        };
        Ok((rate > self.most).then(|| format!("{:.0} MB of log a second", rate / 1_048_576.0)))
    }
}

/// How many sessions are at work in the database, the backfill's own among them.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct ActiveSessions {
    most: i64,
}

impl ActiveSessions {
    /// Waits while more sessions are active than this, beside the one that asks.
    pub fn most(most: u32) -> Self {
        Self { most: i64::from(most) }
    }
}

#[async_trait]
impl Signal for ActiveSessions {
    fn name(&self) -> &'static str {
        "active sessions"
    }

    async fn check(&self, checkup: &Checkup<'_>) -> Result<Option<String>, SqlError> {
        let sql = "SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity WHERE state OPERATOR(pg_catalog.=) 'active' \
                   AND datname OPERATOR(pg_catalog.=) pg_catalog.current_database() \
                   AND pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()";
        let active: i64 = checkup.client.query_one(sql, &[]).await?.try_get(0)?;
        Ok((active > self.most).then(|| format!("{active} sessions are active")))
    }
}
