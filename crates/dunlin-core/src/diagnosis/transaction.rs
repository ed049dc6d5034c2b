use std::fmt;
use std::time::Duration;

use tokio_postgres::SimpleQueryRow;

use super::words::{age, count};
use super::{DiagnosisFinding, Severity, Subject};
use crate::wire::{flag, text, value};

/// From when on an open transaction does harm to others than a migration.
const LONG: Duration = Duration::from_secs(300);

/// The transactions of other sessions in the database that have been open for some seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct OpenTransactions {
    pub(super) open: Vec<OpenTransaction>,
    pub(super) hidden: usize,
}

/// One of them. A migration waits for its locks, and a concurrent index for its end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct OpenTransaction {
    pub(super) pid: i32,
    pub(super) role: Option<String>,
    pub(super) application: Option<String>,
    pub(super) state: Option<String>,
    #[cfg_attr(feature = "serde", serde(rename = "age_us", serialize_with = "crate::serial::microseconds"))]
    pub(super) age: Duration,
    pub(super) snapshot: bool,
}

impl OpenTransactions {
    pub(crate) fn of(rows: Vec<SimpleQueryRow>) -> Option<Self> {
        let hidden = rows.iter().find_map(|row| value(row, "hidden"))?;
        Some(Self { open: rows.iter().filter_map(OpenTransaction::of).collect(), hidden })
    }

    /// Each of them, the oldest first.
    #[must_use]
    pub fn open(&self) -> &[OpenTransaction] {
        &self.open
    }

    /// How many sessions of the database the role may not look at: `pg_read_all_stats` may.
    #[must_use]
    pub fn hidden_sessions(&self) -> usize {
        self.hidden
    }

    pub(crate) fn findings(&self) -> impl Iterator<Item = DiagnosisFinding> {
        self.open.iter().map(OpenTransaction::finding)
    }
}

impl OpenTransaction {
    fn of(row: &SimpleQueryRow) -> Option<Self> {
        let text = |column| text(row, column).filter(|text| !text.is_empty()).map(str::to_owned);
        Some(Self {
            pid: value(row, "pid")?,
            role: text("role"),
            application: text("application"),
            state: text("state"),
            age: Duration::from_secs(value(row, "age").unwrap_or(0)),
            snapshot: flag(row, "snapshot"),
        })
    }

    /// The server process.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// The role that is connected.
    #[must_use]
    pub fn role(&self) -> Option<&str> {
        self.role.as_deref()
    }

    /// What the session calls itself.
    #[must_use]
    pub fn application(&self) -> Option<&str> {
        self.application.as_deref()
    }

    /// What it does, as `pg_stat_activity.state` has it: `active`, `idle in transaction`.
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// How long it has been open.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.age
    }

    /// Whether it holds a snapshot, which a concurrent index build waits for and vacuum keeps rows for.
    #[must_use]
    pub fn holds_snapshot(&self) -> bool {
        self.snapshot
    }

    fn finding(&self) -> DiagnosisFinding {
        let severity = if self.age >= LONG { Severity::Warning } else { Severity::Note };
        let what = format!(
            "a transaction is open for {}: {self}; {}",
            age(self.age),
            match self.snapshot {
                true => "it holds its locks and back concurrent index builds",
                false => "it holds its locks",
            }
        );
        let advice = format!("wait for it, or end it with `SELECT pg_terminate_backend({})`", self.pid);
        DiagnosisFinding::new(severity, Subject::Transaction, what, advice)
    }
}

impl fmt::Display for OpenTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {}", self.pid)?;
        if let Some(role) = &self.role {
            write!(f, " of {role}")?;
        }
        if let Some(application) = &self.application {
            write!(f, ", application `{application}`")?;
        }
        match &self.state {
            Some(state) => write!(f, ", {state}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for OpenTransactions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.open.len() {
            0 => f.write_str("none open for long")?,
            open => write!(f, "{open} open for long")?,
        }
        match self.hidden {
            0 => Ok(()),
            hidden => write!(f, " ({} hidden from this role)", count(hidden, "session", "sessions")),
        }
    }
}
