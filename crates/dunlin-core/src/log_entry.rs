use std::time::SystemTime;

use tokio_postgres::SimpleQueryRow;

use crate::MigrationId;
use crate::wire::{text, value};

/// An entry of the event log, which stands beside the history and is only ever added to.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LogEntry {
    #[cfg_attr(feature = "serde", serde(rename = "at_us", serialize_with = "crate::serial::since_1970"))]
    at: SystemTime,
    event: String,
    #[cfg_attr(feature = "serde", serde(flatten))]
    id: MigrationId,
    code: Option<String>,
    statement: Option<usize>,
    application: Option<String>,
    run_id: String,
}

impl LogEntry {
    /// Reads a row of [`HistorySql::newest_events`](crate::history_sql::HistorySql::newest_events).
    pub(crate) fn of(row: &SimpleQueryRow) -> Option<Self> {
        let at = std::time::Duration::from_micros(value(row, "at_us")?);
        Some(Self {
            at: SystemTime::UNIX_EPOCH.checked_add(at)?,
            event: text(row, "event")?.to_owned(),
            id: MigrationId::new(value(row, "version")?, text(row, "name")?),
            code: text(row, "sqlstate").map(str::to_owned),
            statement: value(row, "statement"),
            application: text(row, "application").map(str::to_owned),
            run_id: text(row, "run_id")?.to_owned(),
        })
    }

    /// When, by the server's clock.
    #[must_use]
    pub fn at(&self) -> SystemTime {
        self.at
    }

    /// What, in a word: `applied`, `reverted`, `failed`, `stopped`, `stamped`...
    #[must_use]
    pub fn event(&self) -> &str {
        &self.event
    }

    /// The migration.
    #[must_use]
    pub fn id(&self) -> &MigrationId {
        &self.id
    }

    /// The SQLSTATE of a failure.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Which statement of a migration outside a transaction has failed, from 1.
    #[must_use]
    pub fn statement(&self) -> Option<usize> {
        self.statement
    }

    /// The application and its version, if it said.
    #[must_use]
    pub fn application(&self) -> Option<&str> {
        self.application.as_deref()
    }

    /// The run that it belongs to.
    #[must_use]
    pub fn run_id(&self) -> &str {
        &self.run_id
    }
}
