use std::fmt;
use std::time::Duration;

use crate::plan::{Direction, name_width, version_width};
use crate::{MigrationId, State};

/// What a run has done. An [`Error`](crate::Error) carries one too, of what was done before it.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Report {
    pub(crate) state: State,
    pub(crate) done: Vec<Done>,
    #[cfg_attr(feature = "serde", serde(rename = "already_applied"))]
    pub(crate) already: usize,
    #[cfg_attr(
        feature = "serde",
        serde(rename = "waited_us", serialize_with = "crate::serial::microseconds")
    )]
    pub(crate) waited: Duration,
    pub(crate) retries: u32,
    pub(crate) flights: u32,
    #[cfg_attr(feature = "serde", serde(rename = "took_us", serialize_with = "crate::serial::microseconds"))]
    pub(crate) took: Duration,
}

/// A migration that a run has applied or reverted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Done {
    pub(crate) id: MigrationId,
    pub(crate) direction: Direction,
    #[cfg_attr(feature = "serde", serde(rename = "took_us", serialize_with = "crate::serial::microseconds"))]
    pub(crate) took: Duration,
}

impl Done {
    /// The migration.
    #[must_use]
    pub fn id(&self) -> &MigrationId {
        &self.id
    }

    /// Applied or reverted.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// How long it took on the server.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.took
    }
}

impl Report {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Behind,
            done: Vec::new(),
            already: 0,
            waited: Duration::ZERO,
            retries: 0,
            flights: 0,
            took: Duration::ZERO,
        }
    }

    /// A boot that found everything applied.
    pub(crate) fn nothing_to_do(already: usize, took: Duration) -> Self {
        Self { state: State::Current, already, flights: 1, took, ..Self::new() }
    }

    /// The state of the database at the end.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// The migrations that were applied, in order.
    pub fn applied(&self) -> impl Iterator<Item = &Done> {
        self.done.iter().filter(|done| done.direction == Direction::Up)
    }

    /// The migrations that were reverted, in order.
    pub fn reverted(&self) -> impl Iterator<Item = &Done> {
        self.done.iter().filter(|done| done.direction == Direction::Down)
    }

    /// How many migrations of the set were applied before this run began, or by another replica while it waited.
    #[must_use]
    pub fn already_applied(&self) -> usize {
        self.already
    }

    /// How long the run waited for the lock.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// How often a migration was tried again after a lock timeout, a deadlock or a serialization failure.
    #[must_use]
    pub fn retries(&self) -> u32 {
        self.retries
    }

    /// How many times the run had to wait for an answer of the server; connecting does not count.
    #[must_use]
    pub fn flights(&self) -> u32 {
        self.flights
    }

    /// How long the run took, connecting included where the run did that.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.took
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (applied, reverted) = (self.applied().count(), self.reverted().count());
        match (applied, reverted) {
            (0, 0) => write!(f, "nothing to do, the database is {}", self.state)?,
            (_, 0) => write!(f, "{applied} applied")?,
            (0, _) => write!(f, "{reverted} reverted")?,
            (_, _) => write!(f, "{reverted} reverted, {applied} applied")?,
        }
        write!(f, " in {:.1?} (", self.took)?;
        if reverted == 0 {
            write!(f, "{} already there, ", self.already)?;
        }
        write!(f, "{} {}", self.flights, if self.flights == 1 { "flight" } else { "flights" })?;
        if self.waited > Duration::ZERO {
            write!(f, ", waited {:.1?} for the lock", self.waited)?;
        }
        if self.retries > 0 {
            write!(f, ", {} retries", self.retries)?;
        }
        f.write_str(")")?;
        let ids = || self.done.iter().map(|done| &done.id);
        let (versions, names) = (version_width(ids()), name_width(ids()));
        for Done { id, direction, took } in &self.done {
            let (version, name) = (id.version(), id.name());
            write!(f, "\n  {direction:<4}  {version:>versions$}  {name:<names$}  {took:>8.1?}")?;
        }
        Ok(())
    }
}
