use std::time::Duration;

use dunlin_core::{Direction, MigrationId};
use serde::Serialize;

/// A migration that runs.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Running {
    /// Version and name.
    #[serde(flatten)]
    pub id: MigrationId,
    /// Up or down.
    pub direction: Direction,
    /// For how long.
    #[serde(rename = "elapsed_us", serialize_with = "crate::serial::microseconds")]
    pub elapsed: Duration,
    /// Which statement runs, from 1, and of how many, where it runs outside a transaction.
    pub statement: Option<(usize, usize)>,
    /// How often it was tried again.
    pub retries: u64,
    /// Who was in its way when it was last tried, without any SQL.
    pub blockers: Vec<String>,
    /// The index that it builds.
    pub build: Option<Build>,
    /// Units of work that it says are done, and in all.
    pub advanced: Option<(u64, u64)>,
    /// Units of work in a second.
    pub rate: Option<f64>,
    /// How long the rest takes at that rate.
    #[serde(rename = "left_us", serialize_with = "crate::serial::optional_microseconds")]
    pub left: Option<Duration>,
}

impl Running {
    /// One that has just begun.
    #[must_use]
    pub fn new(id: MigrationId, direction: Direction) -> Self {
        Self {
            id,
            direction,
            elapsed: Duration::ZERO,
            statement: None,
            retries: 0,
            blockers: Vec::new(),
            build: None,
            advanced: None,
            rate: None,
            left: None,
        }
    }

    /// How much of it is done, from 0 to 1: of the index that it builds, or of the work that it counts.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        match (&self.build, self.advanced) {
            (Some(build), _) => build.share(),
            (None, Some((done, total))) => share(done, total),
            (None, None) => None,
        }
    }
}

/// An index that is built concurrently.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Build {
    /// What the server does, in its words.
    pub phase: String,
    /// How much of this phase is done.
    pub done: u64,
    /// How much it is in all; 0 where the server does not say.
    pub total: u64,
    /// The process of the session that it waits for.
    pub waits_for: Option<i32>,
}

impl Build {
    /// A build in this phase, of which so much is done.
    #[must_use]
    pub fn new(phase: impl Into<String>, done: u64, total: u64, waits_for: Option<i32>) -> Self {
        Self { phase: phase.into(), done, total, waits_for }
    }

    /// How much of the phase is done, from 0 to 1.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        share(self.done, self.total)
    }
}

/// How much is done, from 0 to 1; nothing where it is not known how much there is.
pub(crate) fn share(done: u64, total: u64) -> Option<f64> {
    #[expect(clippy::as_conversions, reason = "a share need not be exact past 2^52")]
    let share = |done: u64, total: u64| done as f64 / total as f64;
    (total > 0).then(|| share(done.min(total), total))
}
