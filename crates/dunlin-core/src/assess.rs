use std::fmt;

use crate::history::{Record, RecordState};
use crate::policy::{Ahead, Edited, Missing, OutOfOrder, Policies};
use crate::{MigrationId, MigrationSet};

/// The state of a database against a set of migrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum State {
    /// Migrations are waiting to be applied, or one is half applied.
    Behind,
    /// Exactly the set is applied.
    Current,
    /// The set is applied, and later migrations that it does not know.
    Ahead,
    /// The history and the set disagree in a way that a policy does not allow.
    Diverged,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Behind => "behind",
            Self::Current => "current",
            Self::Ahead => "ahead",
            Self::Diverged => "diverged",
        })
    }
}

/// A difference between the history and the set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Finding {
    pub(crate) id: MigrationId,
    pub(crate) kind: FindingKind,
    pub(crate) verdict: Verdict,
}

/// What kind of difference.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum FindingKind {
    /// The migration says something else than what was applied.
    Edited,
    /// The migration differs from what was applied in comments, white space or line ends alone.
    Reformatted,
    /// The migration has another name than when it was applied.
    #[non_exhaustive]
    Renamed {
        /// The name in the history.
        from: String,
    },
    /// The history holds it, the set does not, and the set holds later ones.
    Missing,
    /// The history holds it and it is newer than the whole set.
    Ahead,
    /// It is not applied, and a later one is.
    #[non_exhaustive]
    OutOfOrder {
        /// The latest version that is applied.
        latest: i64,
    },
    /// It was started outside a transaction and has not been seen to end.
    #[non_exhaustive]
    HalfApplied {
        /// What the history says.
        state: RecordState,
        /// How many of its statements are done.
        statements_done: usize,
    },
}

/// What a policy says of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum Verdict {
    /// Worth knowing, nothing to decide.
    Info,
    /// A policy allows it.
    Allowed,
    /// A policy denies it: nothing runs.
    Denied,
}

impl Finding {
    /// The migration that differs.
    #[must_use]
    pub fn id(&self) -> &MigrationId {
        &self.id
    }

    /// How it differs.
    #[must_use]
    pub fn kind(&self) -> &FindingKind {
        &self.kind
    }

    /// What the policies say of it.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    pub(crate) fn is_denied(&self) -> bool {
        self.verdict == Verdict::Denied
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = &self.id;
        match &self.kind {
            FindingKind::Edited => write!(f, "migration {id} was edited after it was applied"),
            FindingKind::Reformatted => {
                write!(
                    f,
                    "migration {id} was reformatted after it was applied: comments or white space differ"
                )
            }
            FindingKind::Renamed { from } => write!(f, "migration {id} was applied as `{from}`"),
            FindingKind::Missing => write!(f, "migration {id} is applied but this program does not know it"),
            FindingKind::Ahead => {
                write!(f, "migration {id} is applied and newer than all that this program knows")
            }
            FindingKind::OutOfOrder { latest } => {
                write!(f, "migration {id} is not applied but version {latest}, a later one, is")
            }
            FindingKind::HalfApplied { state: RecordState::Reverting, statements_done } => {
                write!(
                    f,
                    "migration {id} is half reverted: {statements_done} statements of its down are done"
                )
            }
            FindingKind::HalfApplied { statements_done, .. } => {
                write!(f, "migration {id} is half applied: {statements_done} of its statements are done")
            }
        }?;
        match (self.verdict, &self.kind) {
            (Verdict::Denied, FindingKind::HalfApplied { .. }) => {
                f.write_str(", and this program does not know it: finish it with one that does")
            }
            (Verdict::Denied, FindingKind::Edited) => f.write_str(
                ": restore the file and put the change into a new migration, or accept it with `Edited::Allow`",
            ),
            (Verdict::Denied, FindingKind::Missing) => {
                f.write_str(": restore the file, or go on without it with `Missing::Allow`")
            }
            (Verdict::Denied, FindingKind::Ahead) => {
                f.write_str(": deploy a newer program, or boot all the same with `Ahead::Allow`")
            }
            (Verdict::Denied, FindingKind::OutOfOrder { .. }) => {
                f.write_str(": give it a later version, or apply it late with `OutOfOrder::Allow`")
            }
            _ => Ok(()),
        }
    }
}

/// Compares what is applied with what the set holds. Pure.
pub(crate) fn assess(set: &MigrationSet, records: &[Record], policies: &Policies) -> Vec<Finding> {
    let newest = set.members().last().map_or(i64::MIN, |member| member.version());
    let mut findings = Vec::new();
    for record in records {
        match set.find(record.version()) {
            Some(member) => {
                let mut found = |kind, verdict| {
                    findings.push(Finding { id: member.id().clone(), kind, verdict });
                };
                if record.id.name() != member.id().name() {
                    found(FindingKind::Renamed { from: record.id.name().to_owned() }, Verdict::Info);
                }
                if record.state != RecordState::Applied {
                    let (state, statements_done) = (record.state, record.statements_done);
                    found(FindingKind::HalfApplied { state, statements_done }, Verdict::Info);
                } else if record.identity != member.identity {
                    let denied = policies.edited == Edited::Deny;
                    found(FindingKind::Edited, verdict(denied));
                } else if record.is_reformatted(&member.migration.checksum()) {
                    found(FindingKind::Reformatted, Verdict::Info);
                }
            }
            None if record.state != RecordState::Applied => findings.push(Finding {
                id: record.id.clone(),
                kind: FindingKind::HalfApplied {
                    state: record.state,
                    statements_done: record.statements_done,
                },
                // Only the program that knows it can finish it.
                verdict: Verdict::Denied,
            }),
            None if record.version() > newest => findings.push(Finding {
                id: record.id.clone(),
                kind: FindingKind::Ahead,
                verdict: verdict(policies.ahead == Ahead::Deny),
            }),
            None => findings.push(Finding {
                id: record.id.clone(),
                kind: FindingKind::Missing,
                verdict: verdict(policies.missing == Missing::Deny),
            }),
        }
    }
    if let Some(latest) = records.iter().map(Record::version).max() {
        let late = pending(set, records).filter(|id| id.version() < latest).map(|id| Finding {
            id: id.clone(),
            kind: FindingKind::OutOfOrder { latest },
            verdict: verdict(policies.out_of_order == OutOfOrder::Deny),
        });
        findings.extend(late);
    }
    findings
}

/// The set's migrations that have no row in the history.
pub(crate) fn pending<'a>(
    set: &'a MigrationSet,
    records: &[Record],
) -> impl Iterator<Item = &'a MigrationId> {
    let known: std::collections::HashSet<i64> = records.iter().map(Record::version).collect();
    set.members().iter().map(|member| member.id()).filter(move |id| !known.contains(&id.version()))
}

/// The one word for what [`assess`] has found.
pub(crate) fn state(set: &MigrationSet, records: &[Record], findings: &[Finding]) -> State {
    let found = |kind: fn(&FindingKind) -> bool| findings.iter().any(|finding| kind(&finding.kind));
    if findings.iter().any(Finding::is_denied) {
        State::Diverged
    } else if pending(set, records).next().is_some()
        || found(|kind| matches!(kind, FindingKind::HalfApplied { .. }))
    {
        State::Behind
    } else if found(|kind| *kind == FindingKind::Ahead) {
        State::Ahead
    } else {
        State::Current
    }
}

fn verdict(denied: bool) -> Verdict {
    if denied { Verdict::Denied } else { Verdict::Allowed }
}
