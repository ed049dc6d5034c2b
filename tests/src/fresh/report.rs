//! What came of rounds.

use std::{fmt, time::Duration};

use dunlin::BoxError;

use crate::fresh::process::Said;

/// What came of rounds.
#[derive(Debug, Default)]
pub struct Report {
    pub(crate) name: String,
    pub(crate) rounds: usize,
    pub(crate) databases: usize,
    /// How often somebody was killed, or a future dropped.
    pub(crate) struck: usize,
    /// The longest time until nothing was left.
    pub(crate) clean: Duration,
    pub(crate) took: Duration,
    pub(crate) wrong: Vec<String>,
}

impl Report {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Whether nothing was wrong, and there were databases.
    pub fn is_right(&self) -> bool {
        self.wrong.is_empty() && self.databases > 0
    }

    /// Notes what a process has said.
    pub(crate) fn hear(&mut self, said: &Said, round: impl fmt::Display) {
        self.databases += said.databases.len();
        self.wrong.extend(said.wrong.iter().map(|wrong| format!("{round}: {wrong}")));
    }

    /// Notes what a round has come to: after how long nothing was left.
    pub(crate) fn note(&mut self, round: impl fmt::Display, outcome: Result<Duration, BoxError>) {
        self.rounds += 1;
        match outcome {
            Ok(clean) => self.clean = self.clean.max(clean),
            Err(error) => self.wrong.push(format!("{round}: {error}")),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, rounds, databases, struck, clean, took, wrong } = self;
        write!(
            f,
            "{name}: {rounds} rounds, {databases} databases, {struck} struck, {} wrong, clean after {clean:.1?} at most, \
             in {took:.1?}",
            wrong.len()
        )?;
        wrong.iter().try_for_each(|wrong| write!(f, "\n\n{wrong}"))
    }
}
