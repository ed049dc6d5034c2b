use tokio_postgres::SimpleQueryRow;

use super::{DiagnosisFinding, Severity, Subject};
use crate::wire::text;

/// A partition that a `DETACH PARTITION CONCURRENTLY` has begun to detach. No query sees its rows through the parent any
/// more, and no other partition of the parent can be detached concurrently.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct PendingDetach {
    pub(super) parent: String,
    pub(super) partition: String,
}

impl PendingDetach {
    pub(crate) fn of(row: &SimpleQueryRow) -> Option<Self> {
        Some(Self { parent: text(row, "parent")?.to_owned(), partition: text(row, "partition")?.to_owned() })
    }

    /// The partitioned table with its schema, as SQL takes it.
    #[must_use]
    pub fn parent(&self) -> &str {
        &self.parent
    }

    /// The partition, likewise.
    #[must_use]
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// The statement that ends it.
    #[must_use]
    pub fn mend(&self) -> String {
        format!("ALTER TABLE {} DETACH PARTITION {} FINALIZE", self.parent, self.partition)
    }

    pub(crate) fn finding(&self) -> DiagnosisFinding {
        let what = format!("partition {} of {} is half detached", self.partition, self.parent);
        let advice = format!("`{}`, unless a session is still detaching it", self.mend());
        DiagnosisFinding::new(Severity::Warning, Subject::Partition, what, advice)
    }
}
