use std::fmt;

use crate::assess::{Finding, State};
use crate::{MigrationId, TransactionMode};

/// Which way a migration goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
pub enum Direction {
    /// Applies it.
    Up,
    /// Reverts it.
    Down,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Up => "up",
            Self::Down => "down",
        })
    }
}

/// What a run would do, decided before anything is done.
///
/// `Display` is for people; with the `serde` feature it is `Serialize` for machines.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Plan {
    pub(crate) target: String,
    pub(crate) state: State,
    pub(crate) steps: Vec<Step>,
    pub(crate) findings: Vec<Finding>,
}

impl Plan {
    /// The state of the database now.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// What would run, in order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// How the history and the set differ.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// One migration of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Step {
    pub(crate) id: MigrationId,
    pub(crate) direction: Direction,
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::serial::in_transaction"))]
    pub(crate) transaction: TransactionMode,
    /// How many statements an earlier run has done.
    pub(crate) resume_at: Option<usize>,
}

impl Step {
    pub(crate) fn up(id: MigrationId) -> Self {
        Self { id, direction: Direction::Up, transaction: TransactionMode::PerMigration, resume_at: None }
    }

    /// The migration.
    #[must_use]
    pub fn id(&self) -> &MigrationId {
        &self.id
    }

    /// Up or down.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// Whether it runs inside a transaction.
    #[must_use]
    pub fn transaction(&self) -> TransactionMode {
        self.transaction
    }

    /// For a migration that an earlier run left half done: how many of its statements are.
    #[must_use]
    pub fn resume_at(&self) -> Option<usize> {
        self.resume_at
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let up = self.steps.iter().filter(|step| step.direction == Direction::Up).count();
        write!(f, "plan to {}: ", self.target)?;
        match (up, self.steps.len() - up) {
            (0, 0) => write!(f, "nothing to do, the database is {}", self.state)?,
            (up, 0) => write!(f, "{up} to apply")?,
            (0, down) => write!(f, "{down} to revert")?,
            (up, down) => write!(f, "{down} to revert, {up} to apply")?,
        }
        let width = version_width(self.steps.iter().map(|step| &step.id));
        for step in &self.steps {
            write!(f, "\n  {:<4}  {:>width$}  {}", step.direction, step.id.version(), step.id.name())?;
            if step.transaction == TransactionMode::None {
                f.write_str(", outside a transaction")?;
            }
            if let Some(done) = step.resume_at {
                write!(f, ", resumed after {done} of its statements")?;
            }
        }
        for finding in &self.findings {
            write!(f, "\n  note: {finding}")?;
        }
        Ok(())
    }
}

/// How wide a column of versions is.
pub(crate) fn version_width<'a>(ids: impl Iterator<Item = &'a MigrationId>) -> usize {
    ids.map(|id| id.version().to_string().len()).max().unwrap_or(0)
}

/// How wide a column of names is.
pub(crate) fn name_width<'a>(ids: impl Iterator<Item = &'a MigrationId>) -> usize {
    ids.map(|id| id.name().chars().count()).max().unwrap_or(0)
}
