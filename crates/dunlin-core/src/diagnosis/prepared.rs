use std::fmt;
use std::time::Duration;

use tokio_postgres::SimpleQueryRow;

use super::words::age;
use super::{DiagnosisFinding, Severity, Subject};
use crate::ident::literal;
use crate::wire::{flag, text, value};

/// From when on a prepared transaction is taken for one that somebody has forgotten.
const ORPHANED: Duration = Duration::from_secs(300);

/// A prepared transaction of the database. It keeps its locks, and old rows from being vacuumed, until somebody ends it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PreparedTransaction {
    pub(super) name: String,
    pub(super) owner: String,
    #[cfg_attr(feature = "serde", serde(rename = "age_us", serialize_with = "crate::serial::microseconds"))]
    pub(super) age: Duration,
    pub(super) holds_lock: bool,
}

impl PreparedTransaction {
    pub(crate) fn of(row: &SimpleQueryRow) -> Option<Self> {
        Some(Self {
            name: text(row, "gid")?.to_owned(),
            owner: text(row, "owner")?.to_owned(),
            age: Duration::from_secs(value(row, "age").unwrap_or(0)),
            holds_lock: flag(row, "lock"),
        })
    }

    /// The name that it was prepared under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The role that has prepared it.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// How long ago it was prepared.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.age
    }

    /// Whether it holds the migration lock.
    #[must_use]
    pub fn holds_lock(&self) -> bool {
        self.holds_lock
    }

    pub(crate) fn finding(&self) -> DiagnosisFinding {
        let gid = literal(&self.name);
        let end =
            format!("whoever prepared it ends it with `COMMIT PREPARED {gid}` or `ROLLBACK PREPARED {gid}`");
        let (severity, subject, what) = if self.holds_lock {
            (
                Severity::Problem,
                Subject::Lock,
                format!("a {self} holds the migration lock, and no run can begin"),
            )
        } else if self.age >= ORPHANED {
            let what = format!("a {self} has been left: it keeps its locks, and holds back vacuum");
            (Severity::Warning, Subject::PreparedTransaction, what)
        } else {
            let what = format!("there is a {self}");
            (Severity::Note, Subject::PreparedTransaction, what)
        };
        DiagnosisFinding::new(severity, subject, what, end)
    }
}

impl fmt::Display for PreparedTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "prepared transaction `{}` of {} ({} old)", self.name, self.owner, age(self.age))
    }
}
