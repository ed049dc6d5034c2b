use std::time::Duration;

use crate::{Health, Placement};

/// How a backfill goes about it.
#[derive(Clone, Debug)]
#[must_use]
pub struct Settings {
    pub(crate) batch_time: Duration,
    pub(crate) workers: usize,
    pub(crate) stripes: Option<usize>,
    pub(crate) lease: Duration,
    pub(crate) budget: Budget,
    pub(crate) health: Health,
    pub(crate) placement: Placement,
}

impl Settings {
    /// How long a batch should take, from the first statement that writes to the last commit: its number of rows is steered to this. A batch is
    /// written in up to 48 transactions; no row is locked for longer than one of them, and one that takes 100 ms longer than this is
    /// undone and tried again with half of the rows.
    ///
    /// 500 ms by default.
    pub fn batch_time(self, target: Duration) -> Self {
        Self { batch_time: target.max(Duration::from_millis(1)), ..self }
    }

    /// How many workers this process has: each has two connections. One by default. Whatever is said here, other processes work
    /// on the same backfill if they are told to.
    pub fn workers(self, count: usize) -> Self {
        Self { workers: count.max(1), ..self }
    }

    /// In how many stripes a batch is written, from 1 to 16: see [the page about stripes](crate::stripes). Without it, in
    /// as many as are found to pay.
    pub fn stripes(self, count: usize) -> Self {
        Self { stripes: Some(count.clamp(1, 16)), ..self }
    }

    /// For how long a range of the table belongs to a worker that has not been heard of: then another goes on with it. Each batch
    /// renews it. 30 seconds by default.
    pub fn lease(self, lease: Duration) -> Self {
        Self { lease: lease.max(Duration::from_millis(100)), ..self }
    }

    /// What it looks at between its batches, to wait when the database has enough to do.
    pub fn health(self, health: Health) -> Self {
        Self { health, ..self }
    }

    /// When the rows are written; in the run that applies the migration by default.
    pub fn placement(self, placement: Placement) -> Self {
        Self { placement, ..self }
    }

    /// How many rows may be set aside.
    pub fn budget(self, budget: Budget) -> Self {
        Self { budget, ..self }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            batch_time: Duration::from_millis(500),
            workers: 1,
            stripes: None,
            lease: Duration::from_secs(30),
            budget: Budget::default(),
            health: Health::default(),
            placement: Placement::default(),
        }
    }
}

/// How many poison rows may be set aside before a backfill fails.
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub struct Budget {
    pub(crate) rows: u64,
    pub(crate) share: f64,
}

impl Budget {
    /// None: the first poison row ends the backfill.
    pub const NONE: Self = Self { rows: 0, share: 0.0 };

    /// At most so many rows, and at most this share of the rows that were looked at, once that are a thousand: `0.01` is one of a hundred.
    pub const fn of(rows: u64, share: f64) -> Self {
        Self { rows, share }
    }

    /// Whether so many of those that were looked at are within the budget.
    pub(crate) fn allows(self, quarantined: u64, looked_at: u64) -> bool {
        // Of a few rows one is a large share.
        #[expect(clippy::as_conversions, reason = "a share need not be exact past 2^52 rows")]
        let share = quarantined as f64 <= self.share * looked_at.max(1_000) as f64;
        quarantined <= self.rows && share
    }
}

/// A hundred rows, and one of a hundred.
impl Default for Budget {
    fn default() -> Self {
        Self::of(100, 0.01)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_counts_rows_and_their_share() {
        let budget = Budget::of(100, 0.01);
        assert!(budget.allows(10, 10), "a few rows are no share");
        assert!(!budget.allows(11, 1_000));
        assert!(budget.allows(100, 10_000));
        assert!(!budget.allows(101, 1_000_000));
        assert!(Budget::NONE.allows(0, 5));
        assert!(!Budget::NONE.allows(1, 5));
    }
}
