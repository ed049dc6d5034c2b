use std::fmt;

use tokio_postgres::SimpleQueryRow;

use super::words::size;
use super::{DiagnosisFinding, Severity, Subject};
use crate::wire::{flag, text, value};

/// An index that no query uses: a concurrent statement about it has not come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct InvalidIndex {
    pub(super) name: String,
    pub(super) table: String,
    pub(super) kind: InvalidIndexKind,
    pub(super) rejects_duplicates: bool,
    pub(super) bytes: Option<u64>,
    pub(super) worker: Option<i32>,
}

/// How an index came to be invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum InvalidIndexKind {
    /// A `CREATE INDEX CONCURRENTLY` has failed, or goes on.
    Unfinished,
    /// A `REINDEX CONCURRENTLY` has left its copy (`_ccnew`) or the old index (`_ccold`) behind.
    Leftover,
    /// A `DROP INDEX CONCURRENTLY` has not come to its end.
    Dropping,
    /// An index of a partitioned table, which some partition has no part of.
    Partitioned,
}

impl InvalidIndex {
    pub(crate) fn of(row: &SimpleQueryRow) -> Option<Self> {
        Some(Self {
            name: text(row, "index")?.to_owned(),
            table: text(row, "table_name")?.to_owned(),
            kind: if flag(row, "partitioned") {
                InvalidIndexKind::Partitioned
            } else if flag(row, "dropping") {
                InvalidIndexKind::Dropping
            } else if flag(row, "leftover") {
                InvalidIndexKind::Leftover
            } else {
                InvalidIndexKind::Unfinished
            },
            rejects_duplicates: flag(row, "rejects"),
            bytes: None,
            worker: value(row, "worker"),
        })
    }

    /// Takes its size from the rows that tell them.
    pub(crate) fn measured(mut self, sizes: &[(String, u64)]) -> Self {
        self.bytes = sizes.iter().find(|(name, _)| *name == self.name).map(|(_, bytes)| *bytes);
        self
    }

    /// Its name with its schema, as SQL takes it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its table, likewise.
    #[must_use]
    pub fn table(&self) -> &str {
        &self.table
    }

    /// How it came to be invalid.
    #[must_use]
    pub fn kind(&self) -> InvalidIndexKind {
        self.kind
    }

    /// Whether it is unique and rejects rows already, although no query uses it.
    #[must_use]
    pub fn rejects_duplicates(&self) -> bool {
        self.rejects_duplicates
    }

    /// Its size in bytes, where it could be measured.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        self.bytes
    }

    /// The server process that works on it now.
    #[must_use]
    pub fn worker(&self) -> Option<i32> {
        self.worker
    }

    /// The statement that mends it; nothing where each partition needs its own. An index that a migration has left which
    /// is half applied needs none: the next run builds it anew, and would meet one that was mended by hand as a name that is
    /// taken.
    #[must_use]
    pub fn mend(&self) -> Option<String> {
        match self.kind {
            InvalidIndexKind::Unfinished => Some(format!("REINDEX INDEX CONCURRENTLY {}", self.name)),
            InvalidIndexKind::Leftover | InvalidIndexKind::Dropping => {
                Some(format!("DROP INDEX CONCURRENTLY {}", self.name))
            }
            InvalidIndexKind::Partitioned => None,
        }
    }

    /// What is said of it, where a migration may be half applied that goes on with it.
    pub(crate) fn finding(&self, is_half_applied: bool) -> DiagnosisFinding {
        let mut what = format!("index {self} is invalid");
        what.push_str(match self.kind {
            InvalidIndexKind::Unfinished => "",
            InvalidIndexKind::Leftover => ", left behind by a REINDEX CONCURRENTLY",
            InvalidIndexKind::Dropping => ", half dropped",
            InvalidIndexKind::Partitioned => ": some partition has no part of it",
        });
        if let Some(worker) = self.worker {
            what.push_str(&format!(", and pid {worker} works on it"));
            return DiagnosisFinding::new(Severity::Note, Subject::Index, what, "wait for it");
        }
        if self.rejects_duplicates {
            what.push_str("; it rejects duplicates all the same");
        }
        let advice = match self.mend() {
            // Mended by hand, it would be in that migration's way.
            Some(mend) if is_half_applied && self.kind == InvalidIndexKind::Unfinished => {
                format!(
                    "run again if it is the half applied migration's, which builds it anew; else `{mend}`"
                )
            }
            Some(mend) => format!("`{mend}`"),
            None => {
                "create the index on the partitions that lack it, and `ALTER INDEX .. ATTACH PARTITION` each"
                    .to_owned()
            }
        };
        DiagnosisFinding::new(Severity::Warning, Subject::Index, what, advice)
    }
}

impl fmt::Display for InvalidIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.name, self.table)?;
        match self.bytes {
            Some(bytes) => write!(f, " ({})", size(bytes)),
            None => Ok(()),
        }
    }
}
