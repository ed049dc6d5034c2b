use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use dunlin_core::{BackfillProgress, BackfillState};
use tokio_postgres::{Client, Row as SqlRow};

use crate::tables::Tables;
use crate::trouble::Trouble;

/// How far a backfill is, as it was written down with its last batch.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Status {
    /// Its name.
    pub backfill: String,
    /// What it is doing.
    pub state: JobState,
    /// The table that it goes through.
    pub source: String,
    /// Rows that were looked at.
    pub processed: u64,
    /// Rows that were changed.
    pub changed: u64,
    /// Rows that were set aside.
    pub quarantined: u64,
    /// How many rows the planner believed the table to have when it began.
    pub estimate: u64,
    /// Workers that have a range.
    pub workers: u64,
    /// When it first began.
    pub started_at: SystemTime,
    /// When it came to its end.
    pub finished_at: Option<SystemTime>,
    /// Rows that were looked at in a second, from its beginning until its end or now.
    pub rate: f64,
    /// For how long its workers have slept in all, by the name of the signal.
    #[cfg_attr(feature = "serde", serde(rename = "slept_us", serialize_with = "crate::report::serial::all"))]
    pub slept: BTreeMap<String, Duration>,
    /// What its workers wait for, if a [signal](crate::Signal) of its health says so.
    pub waits_for: Option<String>,
    /// Why it failed.
    pub failure: Option<String>,
}

/// What a backfill is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum JobState {
    /// It is at work, or would be if it had a worker.
    Running,
    /// Somebody has asked it to stop for a while.
    Paused,
    /// Somebody has asked it to stop.
    Cancelled,
    /// It has stopped, and says why.
    Failed,
    /// It is done.
    Finished,
}

impl Status {
    /// How much of it is done, from 0 to 1, as far as the estimate is right.
    #[must_use]
    pub fn share(&self) -> f64 {
        #[expect(clippy::as_conversions, reason = "a share need not be exact past 2^52 rows")]
        match (self.state, self.estimate.max(self.processed)) {
            (JobState::Finished, _) | (_, 0) => 1.0,
            (_, all) => self.processed as f64 / all as f64,
        }
    }

    /// How long it will take until it has looked at all rows, at its rate; nothing if it is not running or has none.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        let left = self.estimate.saturating_sub(self.processed);
        #[expect(clippy::as_conversions, reason = "a rate need not be exact past 2^52 rows")]
        let seconds = left as f64 / self.rate;
        let is_known = self.state == JobState::Running && self.rate > 0.0;
        Duration::try_from_secs_f64(seconds).ok().filter(|_| is_known)
    }

    /// How far it is, for whoever knows nothing of backfills.
    pub(crate) fn progress(&self) -> BackfillProgress {
        let state = match self.state {
            JobState::Running if self.workers == 0 && self.processed == 0 => BackfillState::Waiting,
            JobState::Running => BackfillState::Running,
            JobState::Paused | JobState::Cancelled => BackfillState::Paused,
            JobState::Failed => BackfillState::Failed,
            JobState::Finished => BackfillState::Finished,
        };
        let mut progress = BackfillProgress::new(state, self.processed, self.estimate.max(self.processed));
        progress.rate = (self.state == JobState::Running && self.rate > 0.0).then_some(self.rate);
        progress.left = self.time_left();
        progress.slept = self.slept.clone();
        progress.note = self.failure.clone().or_else(|| self.waits_for.clone());
        progress
    }

    /// Reads those that there are, or the one of this name, in the order in which they began.
    pub(crate) async fn of(
        client: &Client,
        tables: &Tables,
        name: Option<&str>,
    ) -> Result<Vec<Self>, Trouble> {
        let Tables { jobs, ranges, .. } = tables;
        let sums = ["processed", "changed", "quarantined"]
            .map(|name| format!("j.{name} OPERATOR(pg_catalog.+) coalesce(r.{name}, 0)::pg_catalog.int8"));
        let sql = format!(
            "SELECT {}, coalesce(r.workers, 0), {} FROM {jobs} AS j LEFT JOIN (SELECT job, \
              pg_catalog.count(*) FILTER (WHERE leased_until OPERATOR(pg_catalog.>) pg_catalog.clock_timestamp()) AS workers, \
              pg_catalog.sum(processed) AS processed, pg_catalog.sum(changed) AS changed, \
              pg_catalog.sum(quarantined) AS quarantined FROM {ranges} GROUP BY job) AS r \
             ON r.job OPERATOR(pg_catalog.=) j.name WHERE $1::pg_catalog.text IS NULL OR j.name OPERATOR(pg_catalog.=) $1 \
             ORDER BY j.started_at",
            Self::COLUMNS,
            sums.join(", ")
        );
        client.query(&sql, &[&name]).await?.iter().map(Self::read).collect()
    }

    const COLUMNS: &str = "name, state, wanted, source, estimate, started_at, finished_at, failure, waits_for, \
        pg_catalog.date_part('epoch', coalesce(finished_at, pg_catalog.clock_timestamp()) OPERATOR(pg_catalog.-) started_at), \
        ARRAY(SELECT s.key FROM pg_catalog.jsonb_each_text(slept_us) AS s ORDER BY s.key), \
        ARRAY(SELECT s.value::pg_catalog.int8 FROM pg_catalog.jsonb_each_text(slept_us) AS s ORDER BY s.key)";

    /// Reads the columns above, then those of the workers and the counters.
    fn read(row: &SqlRow) -> Result<Self, Trouble> {
        let count = |column| -> Result<u64, Trouble> {
            Ok(u64::try_from(row.try_get::<_, i64>(column)?).unwrap_or_default())
        };
        let state = match (row.try_get(1)?, row.try_get(2)?) {
            ("finished", _) => JobState::Finished,
            (_, "cancel") => JobState::Cancelled,
            ("failed", _) => JobState::Failed,
            (_, "pause") => JobState::Paused,
            _ => JobState::Running,
        };
        let processed = count(13)?;
        let seconds: f64 = row.try_get(9)?;
        #[expect(clippy::as_conversions, reason = "a rate need not be exact past 2^52 rows")]
        let rate = if seconds > 0.0 { processed as f64 / seconds } else { 0.0 };
        let (signals, slept): (Vec<String>, Vec<i64>) = (row.try_get(10)?, row.try_get(11)?);
        let slept = slept.into_iter().map(|us| Duration::from_micros(u64::try_from(us).unwrap_or_default()));
        Ok(Self {
            slept: signals.into_iter().zip(slept).collect(),
            backfill: row.try_get(0)?,
            state,
            source: row.try_get(3)?,
            processed,
            changed: count(14)?,
            quarantined: count(15)?,
            estimate: count(4)?,
            workers: count(12)?,
            started_at: row.try_get(5)?,
            finished_at: row.try_get(6)?,
            rate,
            failure: row.try_get(7)?,
            waits_for: row.try_get(8)?,
        })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { backfill, state, processed, estimate, quarantined, workers, rate, .. } = self;
        let state = match state {
            JobState::Running => "running",
            JobState::Paused => "paused",
            JobState::Cancelled => "cancelled",
            JobState::Failed => "failed",
            JobState::Finished => "finished",
        };
        let all = estimate.max(processed);
        let share = self.share() * 100.0;
        write!(f, "{backfill} {state}: {processed} of about {all} rows ({share:.0} %), {rate:.0} a second")?;
        if let Some(left) = self.time_left().filter(|left| *left > Duration::ZERO) {
            write!(f, ", about {} s left", left.as_secs().max(1))?;
        }
        if *workers > 0 {
            write!(f, ", {workers} at work")?;
        }
        if *quarantined > 0 {
            write!(f, ", {quarantined} set aside")?;
        }
        if let (JobState::Running, Some(waits_for)) = (self.state, &self.waits_for) {
            write!(f, ", waits: {waits_for}")?;
        }
        match &self.failure {
            Some(failure) => write!(f, ": {failure}"),
            None => Ok(()),
        }
    }
}

/// A row that was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Quarantined {
    /// Its key: a text for each column.
    pub key: Vec<String>,
    /// The SQLSTATE with which the server refused it, or the [kind](crate::RowError::kind) of the error.
    pub kind: String,
    /// When.
    pub at: SystemTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(state: JobState, processed: u64, estimate: u64) -> Status {
        Status {
            backfill: "fill".to_owned(),
            state,
            source: "people".to_owned(),
            processed,
            changed: processed,
            quarantined: 0,
            estimate,
            workers: 2,
            started_at: SystemTime::UNIX_EPOCH,
            finished_at: None,
            rate: 50.0,
            slept: BTreeMap::new(),
            waits_for: None,
            failure: None,
        }
    }

    #[test]
    fn it_says_how_much_is_done_and_how_long_the_rest_takes() {
        let running = status(JobState::Running, 250, 1_000);
        assert_eq!((running.share(), running.time_left()), (0.25, Some(Duration::from_secs(15))));
        insta::assert_snapshot!(running, @"fill running: 250 of about 1000 rows (25 %), 50 a second, about 15 s left, 2 at work");
    }

    #[test]
    fn an_estimate_that_was_too_low_is_no_more_than_all() {
        let more = status(JobState::Running, 300, 100);
        assert_eq!((more.share(), more.time_left()), (1.0, Some(Duration::ZERO)));
        assert_eq!(status(JobState::Running, 0, 0).share(), 1.0);
    }

    #[test]
    fn who_does_not_work_has_no_time_left() {
        let paused = status(JobState::Paused, 250, 1_000);
        assert_eq!(paused.time_left(), None);
        let failed =
            Status { failure: Some("no more room".to_owned()), workers: 0, ..status(JobState::Failed, 1, 2) };
        insta::assert_snapshot!(failed, @"fill failed: 1 of about 2 rows (50 %), 50 a second: no more room");
    }
}
