//! How values look to machines: times are microseconds, so that every language reads them as a number.

use std::time::{Duration, SystemTime};

use serde::Serializer;

use crate::TransactionMode;

pub(crate) fn microseconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}

pub(crate) fn optional_microseconds<S: Serializer>(
    duration: &Option<Duration>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => microseconds(duration, serializer),
        None => serializer.serialize_none(),
    }
}

/// Microseconds since the beginning of 1970, UTC.
pub(crate) fn since_1970<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    microseconds(&time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default(), serializer)
}

pub(crate) fn in_transaction<S: Serializer>(
    mode: &TransactionMode,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_bool(*mode == TransactionMode::PerMigration)
}
