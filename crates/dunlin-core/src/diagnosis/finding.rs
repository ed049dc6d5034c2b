use std::fmt;

/// Something that a diagnosis has found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct DiagnosisFinding {
    severity: Severity,
    subject: Subject,
    what: String,
    advice: String,
}

/// How bad a finding is; the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum Severity {
    /// A run would fail, or would not be safe.
    Problem,
    /// Something that does harm, or will.
    Warning,
    /// Worth knowing.
    Note,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Subject {
    /// The server and the way to it.
    Server,
    /// What stands between the program and the server.
    Pooler,
    /// The role and its rights.
    Role,
    /// The schemas that migrations look in.
    SearchPath,
    /// A setting of the server, the database or the role.
    Setting,
    /// The history of migrations.
    History,
    /// Who holds the migration lock.
    Lock,
    /// A prepared transaction.
    PreparedTransaction,
    /// An index that is not valid.
    Index,
    /// A partition that is half detached.
    Partition,
    /// A publication or a subscription.
    Replication,
    /// A transaction that is open for long.
    Transaction,
}

impl DiagnosisFinding {
    pub(crate) fn new(
        severity: Severity,
        subject: Subject,
        what: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { severity, subject, what: what.into(), advice: advice.into() }
    }

    /// How bad it is.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.severity
    }

    /// What it is about.
    #[must_use]
    pub fn subject(&self) -> Subject {
        self.subject
    }

    /// What is wrong, in a sentence.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What to do, in a sentence; SQL stands between backticks.
    #[must_use]
    pub fn advice(&self) -> &str {
        &self.advice
    }
}

impl fmt::Display for DiagnosisFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.advice)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Problem => "problem",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}
