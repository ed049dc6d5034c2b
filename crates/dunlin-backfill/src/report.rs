use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::ledger::Counts;

/// What a backfill has done, since it first began.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Report {
    /// Its name.
    pub backfill: String,
    /// Rows that were looked at.
    pub processed: u64,
    /// Rows that were changed.
    pub changed: u64,
    /// Rows that needed no change, or had it already.
    pub skipped: u64,
    /// Rows that were set aside.
    pub quarantined: u64,
    /// Rows and batches that were read again, as somebody else was writing them.
    pub retried: u64,
    /// Batches.
    pub batches: u64,
    /// Whether it has come to its end; otherwise the time was up that this call had.
    pub finished: bool,
    /// For how long the workers of this call have waited, by the name of the [signal](crate::Signal) that they waited for.
    #[cfg_attr(feature = "serde", serde(rename = "slept_us", serialize_with = "serial::all"))]
    pub slept: BTreeMap<String, Duration>,
    /// How long this call took.
    #[cfg_attr(feature = "serde", serde(rename = "took_us", serialize_with = "serial::one"))]
    pub took: Duration,
}

impl Report {
    pub(crate) fn new(
        backfill: &str,
        counts: &Counts,
        finished: bool,
        slept: BTreeMap<String, Duration>,
        took: Duration,
    ) -> Self {
        let count = |count: i64| u64::try_from(count).unwrap_or_default();
        let (processed, changed, quarantined) =
            (count(counts.processed), count(counts.changed), count(counts.quarantined));
        Self {
            backfill: backfill.to_owned(),
            processed,
            changed,
            skipped: processed.saturating_sub(changed).saturating_sub(quarantined),
            quarantined,
            retried: count(counts.retried),
            batches: count(counts.batches),
            finished,
            slept,
            took,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            backfill,
            processed,
            changed,
            skipped,
            quarantined,
            retried,
            batches,
            finished,
            slept,
            took,
        } = self;
        write!(
            f,
            "backfill {backfill}: {processed} rows in {batches} batches, {changed} changed, {skipped} as they were, \
             {quarantined} set aside, {retried} tried again, in {took:.1?}"
        )?;
        for (signal, slept) in slept {
            write!(f, ", {slept:.1?} of it waiting for {signal}")?;
        }
        f.write_str(if *finished { "" } else { "; not finished" })
    }
}

/// Durations as whole numbers, as the event log has them.
#[cfg(feature = "serde")]
pub(crate) mod serial {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use serde::Serializer;

    pub(super) fn one<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(microseconds(duration))
    }

    pub(super) fn all<S: Serializer>(
        durations: &BTreeMap<String, Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(durations.iter().map(|(name, duration)| (name, microseconds(duration))))
    }

    fn microseconds(duration: &Duration) -> u64 {
        u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
    }
}
