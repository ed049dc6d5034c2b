use std::fmt;
use std::time::Duration;

use tokio_postgres::SimpleQueryRow;

use crate::lock::Holder;
use crate::wire::{text, value};

/// A session that holds a lock which a run waits for: that of a table, or that of the migrations.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Blocker {
    pid: i32,
    application: Option<String>,
    address: Option<String>,
    state: Option<String>,
    #[cfg_attr(
        feature = "serde",
        serde(rename = "in_transaction_us", serialize_with = "crate::serial::optional_microseconds")
    )]
    in_transaction: Option<Duration>,
    #[cfg_attr(
        feature = "serde",
        serde(rename = "connected_for_us", serialize_with = "crate::serial::optional_microseconds")
    )]
    connected_for: Option<Duration>,
}

impl Blocker {
    /// Reads a row of [`LockKey::blockers`](crate::lock::LockKey::blockers).
    pub(crate) fn of(row: &SimpleQueryRow) -> Option<Self> {
        let text = |column| text(row, column).filter(|text| !text.is_empty()).map(str::to_owned);
        Some(Self {
            pid: value(row, "pid")?,
            application: text("application_name"),
            address: text("client_addr"),
            state: text("state"),
            in_transaction: value(row, "age").map(Duration::from_secs),
            connected_for: None,
        })
    }

    /// Whoever holds the migration lock.
    pub(crate) fn of_holder(holder: Holder) -> Self {
        Self {
            pid: holder.pid.unwrap_or(0),
            application: holder.application,
            address: holder.address,
            state: None,
            in_transaction: None,
            connected_for: holder.age.map(Duration::from_secs),
        }
    }

    /// The process of its backend; 0 for a prepared transaction.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// What the session calls itself.
    #[must_use]
    pub fn application(&self) -> Option<&str> {
        self.application.as_deref()
    }

    /// The address of its client; nothing for a local one.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        self.address.as_deref()
    }

    /// Its state in `pg_stat_activity`: `active`, `idle in transaction`...
    #[must_use]
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// How long it has been in its transaction, in whole seconds.
    #[must_use]
    pub fn in_transaction(&self) -> Option<Duration> {
        self.in_transaction
    }

    /// How long it has been connected, in whole seconds; known of the holder of the migration lock alone.
    #[must_use]
    pub fn connected_for(&self) -> Option<Duration> {
        self.connected_for
    }
}

impl fmt::Display for Blocker {
    /// Without its statement, which may hold row values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pid == 0 {
            return f.write_str("a prepared transaction, see pg_prepared_xacts");
        }
        write!(f, "pid {}", self.pid)?;
        if let Some(application) = &self.application {
            write!(f, ", application `{application}`")?;
        }
        write!(f, ", {}", self.address.as_deref().unwrap_or("local"))?;
        if let Some(state) = &self.state {
            write!(f, ", {state}")?;
        }
        if let Some(age) = self.in_transaction {
            write!(f, ", in its transaction for {} s", age.as_secs())?;
        }
        if let Some(age) = self.connected_for {
            write!(f, ", connected for {} s", age.as_secs())?;
        }
        Ok(())
    }
}

/// Blockers in one line.
pub(crate) fn list(blockers: &[Blocker]) -> String {
    blockers.iter().map(Blocker::to_string).collect::<Vec<_>>().join("; ")
}
