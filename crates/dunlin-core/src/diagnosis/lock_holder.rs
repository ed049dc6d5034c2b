use std::fmt;
use std::time::Duration;

use super::words::age;
use super::{DiagnosisFinding, PreparedTransaction, Severity, Subject};
use crate::lock::Holder;

/// Who holds the migration lock.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LockHolder {
    pub(super) pid: Option<i32>,
    pub(super) application: Option<String>,
    pub(super) address: Option<String>,
    #[cfg_attr(
        feature = "serde",
        serde(rename = "connected_for_us", serialize_with = "crate::serial::optional_microseconds")
    )]
    pub(super) connected_for: Option<Duration>,
    pub(super) prepared: Option<String>,
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(super) text: String,
}

impl LockHolder {
    pub(crate) fn new(holder: Holder, prepared: &[PreparedTransaction]) -> Self {
        let prepared = prepared.iter().find(|prepared| prepared.holds_lock() && holder.pid.is_none());
        Self {
            text: prepared.map_or_else(|| holder.who(), |prepared| format!("a {prepared}")),
            pid: holder.pid,
            application: holder.application,
            address: holder.address,
            connected_for: holder.age.map(Duration::from_secs),
            prepared: prepared.map(|prepared| prepared.name().to_owned()),
        }
    }

    /// The server process; nothing for a prepared transaction.
    #[must_use]
    pub fn pid(&self) -> Option<i32> {
        self.pid
    }

    /// What the session calls itself.
    #[must_use]
    pub fn application(&self) -> Option<&str> {
        self.application.as_deref()
    }

    /// Where it comes from; nothing for a Unix socket.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    /// How long it has been connected.
    #[must_use]
    pub fn connected_for(&self) -> Option<Duration> {
        self.connected_for
    }

    /// The name of the prepared transaction that it is.
    #[must_use]
    pub fn prepared(&self) -> Option<&str> {
        self.prepared.as_deref()
    }

    /// Who it is, in two words.
    pub(super) fn short(&self) -> String {
        match (self.pid, &self.prepared) {
            (Some(pid), _) => format!("pid {pid}"),
            (None, Some(name)) => format!("the prepared transaction `{name}`"),
            (None, None) => "a prepared transaction".to_owned(),
        }
    }

    /// What is said of it, where a run waits for `deadline`. A prepared transaction that is known has a finding of its own.
    pub(crate) fn finding(&self, deadline: Duration) -> Option<DiagnosisFinding> {
        let pid = match (self.pid, &self.prepared) {
            (Some(pid), _) => pid,
            (None, Some(_)) => return None,
            (None, None) => {
                return Some(DiagnosisFinding::new(
                    Severity::Problem,
                    Subject::Lock,
                    "a prepared transaction holds the migration lock, and no run can begin",
                    "see pg_prepared_xacts, and end it with `ROLLBACK PREPARED`",
                ));
            }
        };
        let long = self.connected_for.is_some_and(|connected| connected > deadline);
        let (severity, what) = match long {
            true => (
                Severity::Warning,
                format!(
                    "the holder of the migration lock has been connected for longer than a run waits ({}): {self}",
                    age(deadline)
                ),
            ),
            false => (Severity::Note, format!("somebody holds the migration lock: {self}")),
        };
        let advice = format!("wait for it, or end it with `SELECT pg_terminate_backend({pid})`");
        Some(DiagnosisFinding::new(severity, Subject::Lock, what, advice))
    }
}

impl fmt::Display for LockHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
