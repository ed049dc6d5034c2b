use std::fmt;
use std::time::{Duration, SystemTime};

use dunlin_core::MigrationId;
use serde::Serialize;

/// A migration and how it stands.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Step {
    /// Version and name.
    #[serde(flatten)]
    pub id: MigrationId,
    /// How it stands.
    pub state: StepState,
    /// Whether it was verified, and how that went.
    pub verdict: Verdict,
    /// When it was applied, by the server's clock.
    #[serde(rename = "applied_at_us", serialize_with = "crate::serial::optional_since_1970")]
    pub applied_at: Option<SystemTime>,
    /// How long it took on the server.
    #[serde(rename = "took_us", serialize_with = "crate::serial::optional_microseconds")]
    pub took: Option<Duration>,
    /// The application that applied it.
    pub application: Option<String>,
    /// How many statements of a migration outside a transaction are done, where it is half applied.
    pub statements_done: Option<usize>,
}

impl Step {
    /// A migration that stands so, and of which nothing else is known.
    #[must_use]
    pub fn new(id: MigrationId, state: StepState) -> Self {
        Self {
            id,
            state,
            verdict: Verdict::None,
            applied_at: None,
            took: None,
            application: None,
            statements_done: None,
        }
    }
}

/// How a migration stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepState {
    /// It is applied.
    Applied,
    /// This process runs it.
    Running,
    /// It was begun outside a transaction and has not come to its end: another process runs it, or the next run goes on with it.
    HalfApplied,
    /// It will be applied.
    Pending,
    /// It has failed in this process.
    Failed,
    /// It is applied, and newer than all that this program knows.
    Ahead,
    /// It is applied, this program does not know it, and knows later ones.
    Missing,
}

impl fmt::Display for StepState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Applied => "applied",
            Self::Running => "running",
            Self::HalfApplied => "half applied",
            Self::Pending => "pending",
            Self::Failed => "failed",
            Self::Ahead => "ahead",
            Self::Missing => "missing",
        })
    }
}

/// What is known of whether a migration did what it should.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Verdict {
    /// It does not say how to verify it, or that is not known.
    #[default]
    None,
    /// It says how, and has not been verified by this process.
    Unverified,
    /// It was verified when it was applied, or since.
    Verified,
    /// It was verified and is not as it should be.
    Failed,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "no verification",
            Self::Unverified => "not verified by this process",
            Self::Verified => "verified",
            Self::Failed => "verification failed",
        })
    }
}
