use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// How far a backfill is, as far as that is written down.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct BackfillProgress {
    /// How it stands.
    pub state: BackfillState,
    /// Rows that were looked at.
    pub done: u64,
    /// Rows in all, as far as it is known.
    pub total: u64,
    /// Rows that are looked at in a second.
    pub rate: Option<f64>,
    /// How long the rest takes at that rate.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "left_us", serialize_with = "crate::serial::optional_microseconds")
    )]
    pub left: Option<Duration>,
    /// What it waits for, or why it has failed. No value of a row.
    pub note: Option<String>,
    /// For how long its workers have slept in all, by what they have slept for.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub slept: BTreeMap<String, Duration>,
}

impl BackfillProgress {
    /// One of which so many rows are done.
    #[must_use]
    pub fn new(state: BackfillState, done: u64, total: u64) -> Self {
        Self { state, done, total, rate: None, left: None, note: None, slept: BTreeMap::new() }
    }
}

/// How a backfill stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum BackfillState {
    /// Nobody has begun with it.
    Waiting,
    /// It is at work, here or elsewhere.
    Running,
    /// Somebody has asked it to stop for a while, or for good.
    Paused,
    /// It has failed.
    Failed,
    /// It is done.
    Finished,
}

impl fmt::Display for BackfillState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Failed => "failed",
            Self::Finished => "finished",
        })
    }
}
