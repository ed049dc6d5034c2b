//! What a diagnosis says: facts, and what follows from them. How they are gathered is in `diagnose`.

mod answer;
mod detach;
mod facts;
mod finding;
mod history;
mod index;
mod lock_holder;
mod path;
mod pooler;
mod prepared;
mod replication;
mod role;
mod server;
mod setting;
mod transaction;
mod words;

use std::fmt;

pub use self::answer::Answer;
pub use self::detach::PendingDetach;
pub use self::finding::{DiagnosisFinding, Severity, Subject};
pub use self::history::{HistoryFacts, HistoryPresence, Standing};
pub use self::index::{InvalidIndex, InvalidIndexKind};
pub use self::lock_holder::LockHolder;
pub use self::path::PathSchema;
pub use self::pooler::PoolerVerdict;
pub use self::prepared::PreparedTransaction;
pub use self::replication::Subscription;
pub use self::role::RoleFacts;
pub use self::server::ServerFacts;
pub use self::setting::ServerSetting;
pub use self::transaction::{OpenTransaction, OpenTransactions};

pub(crate) use self::facts::{Expected, Facts};
pub(crate) use self::pooler::PoolerProbe;
use self::words::count;

/// What [`Migrator::diagnose`](crate::Migrator::diagnose) has found.
///
/// `Display` is for people: what is wrong, the worst first, each with what to do; then the facts. Neither it nor the value
/// holds a row's values or a secret; the holder of the migration lock is told with the beginning of its last statement.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Diagnosis {
    findings: Vec<DiagnosisFinding>,
    #[cfg_attr(feature = "serde", serde(flatten))]
    facts: Facts,
    flights: u32,
}

impl Diagnosis {
    pub(crate) fn new(facts: Facts, expected: &Expected<'_>, flights: u32) -> Self {
        let mut findings = facts.findings(expected);
        findings.sort_by_key(DiagnosisFinding::severity);
        Self { findings, facts, flights }
    }

    /// What is wrong or worth knowing, the worst first.
    #[must_use]
    pub fn findings(&self) -> &[DiagnosisFinding] {
        &self.findings
    }

    /// Whether no [`Severity::Problem`] was found: as far as is known, a run can begin and is safe.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity() != Severity::Problem)
    }

    /// The server, and the way to it.
    #[must_use]
    pub fn server(&self) -> &Answer<ServerFacts> {
        &self.facts.server
    }

    /// What stands between the program and the server.
    #[must_use]
    pub fn pooler(&self) -> &PoolerVerdict {
        &self.facts.pooler
    }

    /// The role and its rights.
    #[must_use]
    pub fn role(&self) -> &Answer<RoleFacts> {
        &self.facts.role
    }

    /// The schemas that migrations look in: of the migrator's path, or the role's.
    #[must_use]
    pub fn search_path(&self) -> &Answer<Vec<PathSchema>> {
        &self.facts.search_path
    }

    /// The settings that a run depends on, as a session of the role begins with them.
    #[must_use]
    pub fn settings(&self) -> &Answer<Vec<ServerSetting>> {
        &self.facts.settings
    }

    /// The history.
    #[must_use]
    pub fn history(&self) -> &HistoryFacts {
        &self.facts.history
    }

    /// Who holds the migration lock; nothing when nobody does.
    #[must_use]
    pub fn lock_holder(&self) -> &Answer<Option<LockHolder>> {
        &self.facts.lock
    }

    /// The prepared transactions of the database, the oldest first.
    #[must_use]
    pub fn prepared_transactions(&self) -> &Answer<Vec<PreparedTransaction>> {
        &self.facts.prepared
    }

    /// The indexes that are not valid.
    #[must_use]
    pub fn invalid_indexes(&self) -> &Answer<Vec<InvalidIndex>> {
        &self.facts.indexes
    }

    /// The partitions that are half detached.
    #[must_use]
    pub fn pending_detaches(&self) -> &Answer<Vec<PendingDetach>> {
        &self.facts.detaches
    }

    /// The publications that the history is, or would be, part of.
    #[must_use]
    pub fn publications(&self) -> &Answer<Vec<String>> {
        &self.facts.publications
    }

    /// The subscriptions of the database.
    #[must_use]
    pub fn subscriptions(&self) -> &Answer<Vec<Subscription>> {
        &self.facts.subscriptions
    }

    /// The transactions of others that have been open for some seconds.
    #[must_use]
    pub fn open_transactions(&self) -> &Answer<OpenTransactions> {
        &self.facts.transactions
    }

    /// How many times it had to wait for an answer of the server, on both connections.
    #[must_use]
    pub fn flights(&self) -> u32 {
        self.flights
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(server) = self.facts.server.known() {
            write!(f, "database {}: ", server.database())?;
        }
        let found = |severity| self.findings.iter().filter(|finding| finding.severity() == severity).count();
        let counts: Vec<_> = [
            (Severity::Problem, "problem", "problems"),
            (Severity::Warning, "warning", "warnings"),
            (Severity::Note, "note", "notes"),
        ]
        .map(|(severity, one, many)| (found(severity), one, many))
        .into_iter()
        .chain([(self.facts.not_known(), "question without an answer", "questions without an answer")])
        .filter(|(number, ..)| *number > 0)
        .map(|(number, one, many)| count(number, one, many))
        .collect();
        f.write_str(match (self.is_healthy(), counts.is_empty()) {
            (true, true) => "healthy",
            (true, false) if self.facts.not_known() > 0 => "no problem found, ",
            (true, false) => "healthy, ",
            (false, _) => "",
        })?;
        f.write_str(&counts.join(", "))?;
        for finding in &self.findings {
            write!(f, "\n  {:<7}  {}", finding.severity(), finding.what())?;
            write!(f, "\n           -> {}", finding.advice())?;
        }
        f.write_str("\n")?;
        self.facts.fmt(f)
    }
}

#[cfg(test)]
#[path = "diagnosis_tests.rs"]
mod tests;
