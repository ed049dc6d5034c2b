use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use dunlin_script::Digest;

use crate::checksum::Identity;
use crate::ident::{Ident, IdentError};
use crate::{Checksum, MigrationId};

/// The version of the history tables' layout that this library writes.
pub(crate) const LAYOUT: u32 = 1;

/// Where the history is kept: a schema and a table. `public.dunlin_history` by default. Next to it stand the event log,
/// `<table>_events`, and a digest of what is applied, `<table>_head`.
///
/// ```
/// use dunlin_core::HistoryTable;
///
/// let history = HistoryTable::new("app", "schema_history")?;
/// assert_eq!(history.to_string(), r#""app"."schema_history""#);
/// # Ok::<(), dunlin_core::IdentError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryTable {
    schema: Ident,
    table: Ident,
    events: Ident,
    head: Ident,
    beside_others: bool,
}

impl HistoryTable {
    /// Names the schema and the table. Both are taken as they are, without folding to lower case.
    ///
    /// # Errors
    ///
    /// When a name is not an identifier, or the table's leaves no room for the `_events` of the event log within
    /// 63 bytes.
    pub fn new(schema: impl Into<String>, table: impl Into<String>) -> Result<Self, IdentError> {
        let table = Ident::new(table)?;
        let events = Ident::new(format!("{}_events", table.as_str()))?;
        let head = Ident::new(format!("{}_head", table.as_str()))?;
        Ok(Self { schema: Ident::new(schema)?, table, events, head, beside_others: false })
    }

    /// Says that other schemas of the database may hold histories of the same name, as with a schema for each tenant.
    ///
    /// Without it, a history that is missing here and stands in another schema is refused: a wrong configuration would
    /// run every migration again.
    #[must_use]
    pub fn beside_others(mut self) -> Self {
        self.beside_others = true;
        self
    }

    pub(crate) fn is_beside_others(&self) -> bool {
        self.beside_others
    }

    /// The schema.
    #[must_use]
    pub fn schema(&self) -> &Ident {
        &self.schema
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> &Ident {
        &self.table
    }

    /// The table of one row that says in a digest what the history holds.
    #[must_use]
    pub fn head(&self) -> &Ident {
        &self.head
    }

    /// The event log's table.
    #[must_use]
    pub fn events(&self) -> &Ident {
        &self.events
    }
}

impl Default for HistoryTable {
    fn default() -> Self {
        Self {
            schema: Ident::constant("public"),
            table: Ident::constant("dunlin_history"),
            events: Ident::constant("dunlin_history_events"),
            head: Ident::constant("dunlin_history_head"),
            beside_others: false,
        }
    }
}

impl fmt::Display for HistoryTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.schema, self.table)
    }
}

/// What the history says of a migration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum RecordState {
    /// It is applied.
    Applied,
    /// A migration outside a transaction was started and has not been seen to end.
    Running,
    /// Its down outside a transaction was started and has not been seen to end.
    Reverting,
    /// A migration outside a transaction failed after some of its statements.
    Failed,
}

impl RecordState {
    /// The text that the history table holds.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Running => "running",
            Self::Reverting => "reverting",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for RecordState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for RecordState {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Applied, Self::Running, Self::Reverting, Self::Failed]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or(())
    }
}

/// How a row got into the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum Origin {
    /// The migration ran.
    Run,
    /// It was declared applied by [`Migrator::stamp`](crate::Migrator::stamp).
    Stamp,
    /// It was taken over from another tool.
    Adopt,
}

impl Origin {
    /// The text that the history table holds.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Stamp => "stamp",
            Self::Adopt => "adopt",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Origin {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Run, Self::Stamp, Self::Adopt].into_iter().find(|origin| origin.as_str() == text).ok_or(())
    }
}

/// One row of the history.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Record {
    pub(crate) ordinal: i64,
    pub(crate) id: MigrationId,
    pub(crate) state: RecordState,
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) identity: Identity,
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) raw: Option<Digest>,
    /// How many statements of a migration outside a transaction are done, and a digest over them.
    pub(crate) statements_done: usize,
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) statements_digest: Option<Digest>,
    #[cfg_attr(
        feature = "serde",
        serde(rename = "applied_at_us", serialize_with = "crate::serial::since_1970")
    )]
    pub(crate) applied_at: SystemTime,
    #[cfg_attr(feature = "serde", serde(rename = "took_us", serialize_with = "crate::serial::microseconds"))]
    pub(crate) took: Duration,
    pub(crate) applied_by: String,
    pub(crate) application: Option<String>,
    pub(crate) run_id: String,
    pub(crate) origin: Origin,
}

impl Record {
    /// Its place in the order of application, from 1.
    #[must_use]
    pub fn ordinal(&self) -> i64 {
        self.ordinal
    }

    /// Version and name, as they were when it was applied.
    #[must_use]
    pub fn id(&self) -> &MigrationId {
        &self.id
    }

    /// What the history says of it.
    #[must_use]
    pub fn state(&self) -> RecordState {
        self.state
    }

    /// How many statements of a migration outside a transaction are done; 0 for all others.
    #[must_use]
    pub fn statements_done(&self) -> usize {
        self.statements_done
    }

    /// When it was applied, by the server's clock.
    #[must_use]
    pub fn applied_at(&self) -> SystemTime {
        self.applied_at
    }

    /// How long it took on the server.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.took
    }

    /// The role that applied it.
    #[must_use]
    pub fn applied_by(&self) -> &str {
        &self.applied_by
    }

    /// The application and version that applied it, if it said.
    #[must_use]
    pub fn application(&self) -> Option<&str> {
        self.application.as_deref()
    }

    /// The run that it was applied in.
    #[must_use]
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// How the row got here.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }

    pub(crate) fn version(&self) -> i64 {
        self.id.version()
    }

    /// Whether the checksums differ in comments, white space or line ends alone.
    pub(crate) fn is_reformatted(&self, checksum: &Checksum) -> bool {
        self.identity == checksum.identity()
            && matches!((self.raw, checksum.raw()), (Some(then), Some(now)) if then != now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_name_leaves_room_for_its_event_log() {
        assert!(HistoryTable::new("public", "a".repeat(56)).is_ok());
        assert!(HistoryTable::new("public", "a".repeat(57)).is_err());
    }

    #[test]
    fn states_and_origins_round_trip() {
        for state in ["applied", "running", "reverting", "failed"] {
            assert_eq!(state.parse::<RecordState>().unwrap().as_str(), state);
        }
        for origin in ["run", "stamp", "adopt"] {
            assert_eq!(origin.parse::<Origin>().unwrap().as_str(), origin);
        }
        assert!("done".parse::<RecordState>().is_err());
    }
}
