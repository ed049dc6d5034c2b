use std::fmt;

use crate::assess::{self, Finding, State, assess};
use crate::history::{Record, RecordState};
use crate::plan::{name_width, version_width};
use crate::policy::Policies;
use crate::{MigrationId, MigrationSet};

/// How a database stands against a set. Reading it writes nothing and needs SELECT on the history alone.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Status {
    pub(crate) state: State,
    pub(crate) records: Vec<Record>,
    pub(crate) pending: Vec<MigrationId>,
    pub(crate) findings: Vec<Finding>,
}

impl Status {
    pub(crate) fn new(set: &MigrationSet, records: Vec<Record>, policies: &Policies) -> Self {
        let findings = assess(set, &records, policies);
        Self {
            state: assess::state(set, &records, &findings),
            pending: assess::pending(set, &records).cloned().collect(),
            records,
            findings,
        }
    }

    /// The one word for it.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// The rows of the history, in the order of application.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The migrations of the set that the history does not hold.
    #[must_use]
    pub fn pending(&self) -> &[MigrationId] {
        &self.pending
    }

    /// How the history and the set differ.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let applied = self.records.iter().filter(|record| record.state == RecordState::Applied).count();
        write!(f, "{}: {applied} applied, {} pending", self.state, self.pending.len())?;
        let ids = || self.records.iter().map(Record::id).chain(&self.pending);
        let (versions, names) = (version_width(ids()), name_width(ids()));
        for record in &self.records {
            let id = &record.id;
            write!(
                f,
                "\n  {:<9}  {:>versions$}  {:<names$}  {:>8.1?}  {} by {}",
                record.state,
                id.version(),
                id.name(),
                record.took,
                record.origin,
                record.applied_by,
            )?;
            if let Some(application) = &record.application {
                write!(f, ", {application}")?;
            }
        }
        for id in &self.pending {
            write!(f, "\n  {:<9}  {:>versions$}  {}", "pending", id.version(), id.name())?;
        }
        for finding in &self.findings {
            write!(f, "\n  note: {finding}")?;
        }
        Ok(())
    }
}
