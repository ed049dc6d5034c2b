use tokio_postgres::SimpleQueryRow;

use super::words::quoted;
use super::{DiagnosisFinding, Severity, Subject};
use crate::HistoryTable;
use crate::wire::{flag, text};

/// A subscription of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Subscription {
    pub(super) name: String,
    pub(super) writes_history: bool,
}

impl Subscription {
    pub(crate) fn of(row: &SimpleQueryRow) -> Option<Self> {
        Some(Self { name: text(row, "name")?.to_owned(), writes_history: flag(row, "history") })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it writes the history.
    #[must_use]
    pub fn writes_history(&self) -> bool {
        self.writes_history
    }

    pub(crate) fn finding(&self, history: &HistoryTable) -> DiagnosisFinding {
        let name = quoted(&self.name);
        let (severity, what, advice) = if self.writes_history {
            (
                Severity::Problem,
                format!(
                    "subscription {name} writes the history {history}: it tells of migrations of the publisher, whose DDL \
                     is not replicated"
                ),
                "keep the history out of the publication, and migrate this database by itself".to_owned(),
            )
        } else {
            (
                Severity::Note,
                format!("subscription {name} writes into this database: DDL is not replicated"),
                "migrate subscribers before their publisher where columns are added".to_owned(),
            )
        };
        DiagnosisFinding::new(severity, Subject::Replication, what, advice)
    }
}

/// What is said of a publication that the history is part of.
pub(crate) fn published(name: &str, history: &HistoryTable) -> DiagnosisFinding {
    DiagnosisFinding::new(
        Severity::Warning,
        Subject::Replication,
        format!(
            "publication {} replicates the history {history}: a subscriber gets its rows without the DDL that they tell of",
            quoted(name)
        ),
        "publish the tables by name, without the history",
    )
}
