//! How values look to machines: times are microseconds, as everywhere in dunlin.

use std::time::{Duration, SystemTime};

use serde::Serializer;

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

pub(crate) fn optional_since_1970<S: Serializer>(
    time: &Option<SystemTime>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => since_1970(time, serializer),
        None => serializer.serialize_none(),
    }
}
