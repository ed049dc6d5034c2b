use std::fmt;

use tokio_postgres::SimpleQueryRow;

use super::words::count;
use super::{Answer, DiagnosisFinding, Severity, Subject};
use crate::history_sql::Facts;
use crate::wire::{flag, text};
use crate::{Error, Finding, FindingKind, HistoryTable, Migrator, RecordState, State, Status};

/// The history: where it is, and how the database stands against the set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct HistoryFacts {
    pub(super) table: String,
    pub(super) presence: Answer<HistoryPresence>,
    pub(super) standing: Answer<Standing>,
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(super) refusal: Option<DiagnosisFinding>,
}

/// Where the history is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum HistoryPresence {
    /// Where it belongs.
    Present,
    /// Nowhere: nothing was migrated yet.
    Absent,
    /// In these schemas, and not where it belongs.
    Elsewhere(String),
}

/// How the database stands against the set: [`Status`] without its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Standing {
    pub(super) state: State,
    pub(super) applied: usize,
    pub(super) pending: usize,
    pub(super) findings: Vec<Finding>,
}

impl HistoryFacts {
    pub(crate) fn new(
        migrator: &Migrator,
        facts: &Answer<SimpleQueryRow>,
        standing: Result<Answer<Standing>, Error>,
    ) -> Self {
        let table = &migrator.history;
        let refused = facts.known().and_then(|row| Facts::of(row, table).err());
        let presence = match facts {
            Answer::Known(row) => Answer::Known(HistoryPresence::of(row, table)),
            Answer::NotKnown(why) => Answer::NotKnown(why.clone()),
        };
        let (standing, unread) = match (&presence, standing) {
            // What is found where it belongs says nothing.
            (Answer::Known(HistoryPresence::Elsewhere(_)), _) => {
                (Answer::NotKnown("the history is in another schema".to_owned()), None)
            }
            (_, Ok(standing)) => (standing, None),
            (_, Err(error)) => (Answer::NotKnown(error.reason()), Some(error)),
        };
        let refusal = refused.or(unread).map(|error| refusal(table, &error));
        Self { table: table.to_string(), presence, standing, refusal }
    }

    /// The table with its schema, as SQL takes it.
    #[must_use]
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Where it is.
    #[must_use]
    pub fn presence(&self) -> &Answer<HistoryPresence> {
        &self.presence
    }

    /// How the database stands against the set.
    #[must_use]
    pub fn standing(&self) -> &Answer<Standing> {
        &self.standing
    }

    /// Whether a run would write something, as far as is known.
    pub(crate) fn has_work(&self) -> bool {
        !matches!(&self.standing, Answer::Known(standing) if matches!(standing.state, State::Current | State::Ahead))
    }

    /// Whether a migration is half applied, as far as is known.
    pub(super) fn is_half_applied(&self) -> bool {
        let is_half = |finding: &Finding| matches!(finding.kind(), FindingKind::HalfApplied { .. });
        self.standing.known().is_some_and(|standing| standing.findings.iter().any(is_half))
    }

    pub(crate) fn findings(&self) -> Vec<DiagnosisFinding> {
        let mut findings: Vec<_> = self.refusal.iter().cloned().collect();
        if let Some(standing) = self.standing.known() {
            standing.add_findings(&mut findings);
        }
        findings
    }
}

impl HistoryPresence {
    fn of(row: &SimpleQueryRow, table: &HistoryTable) -> Self {
        match text(row, "elsewhere").filter(|_| !table.is_beside_others()) {
            _ if flag(row, "history") => Self::Present,
            Some(schemas) => Self::Elsewhere(schemas.to_owned()),
            None => Self::Absent,
        }
    }
}

impl Standing {
    pub(crate) fn of(status: Status) -> Self {
        let is_applied = |record: &&crate::Record| record.state() == RecordState::Applied;
        Self {
            state: status.state,
            applied: status.records.iter().filter(is_applied).count(),
            pending: status.pending.len(),
            findings: status.findings,
        }
    }

    /// The one word for it.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// How many migrations the history holds as applied.
    #[must_use]
    pub fn applied(&self) -> usize {
        self.applied
    }

    /// How many migrations of the set it does not hold.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// How the history and the set differ.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    fn add_findings(&self, findings: &mut Vec<DiagnosisFinding>) {
        let mut found = |severity, what: String, advice: &str| {
            findings.push(DiagnosisFinding::new(severity, Subject::History, what, advice));
        };
        for finding in &self.findings {
            let text = finding.to_string();
            match (finding.kind(), finding.is_denied()) {
                (_, true) => {
                    let (what, advice) = text.rsplit_once(": ").unwrap_or((&text, "see the history"));
                    found(Severity::Problem, what.to_owned(), advice);
                }
                (FindingKind::HalfApplied { state, .. }, false) => {
                    let advice = match state {
                        RecordState::Reverting => {
                            "finish it with a target that reverts it (`Relative(-1)`), unless a run is working on it"
                        }
                        _ => {
                            "run again, unless a run is working on it: it goes on at the first statement that is not done"
                        }
                    };
                    found(Severity::Warning, text, advice);
                }
                (FindingKind::Ahead | FindingKind::Missing | FindingKind::Edited, false) => {
                    found(Severity::Note, text, "nothing: a policy allows it");
                }
                _ => {}
            }
        }
        if self.pending > 0 {
            let waiting = count(self.pending, "migration is", "migrations are");
            found(Severity::Note, format!("{waiting} waiting to be applied"), "migrate");
        }
    }
}

impl fmt::Display for HistoryFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, ", self.table)?;
        match &self.presence {
            Answer::Known(HistoryPresence::Present) => {}
            Answer::Known(HistoryPresence::Absent) => f.write_str("not there yet, ")?,
            Answer::Known(HistoryPresence::Elsewhere(schemas)) => {
                return write!(f, "missing, but there is one in schema {schemas}");
            }
            Answer::NotKnown(why) => return write!(f, "not known: {why}"),
        }
        match &self.standing {
            Answer::Known(standing) => {
                write!(f, "{}: {} applied, {} pending", standing.state, standing.applied, standing.pending)
            }
            Answer::NotKnown(why) => write!(f, "not known: {why}"),
        }
    }
}

/// What a run would refuse the history for, in its words.
fn refusal(table: &HistoryTable, error: &Error) -> DiagnosisFinding {
    let text = error.reason();
    let prefix = format!("the history {table} ");
    let (what, advice) = match text.strip_prefix(&prefix).and_then(|rest| rest.split_once(": ")) {
        Some((what, advice)) => (format!("{prefix}{what}"), advice),
        None => (text.clone(), "see what stands in its place"),
    };
    DiagnosisFinding::new(Severity::Problem, Subject::History, what, advice)
}
