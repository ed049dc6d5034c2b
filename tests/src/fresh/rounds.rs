//! How often something is tried.

use std::path::Path;

use crate::fresh::ground::Place;

/// Rounds of one kind. Each has the seed after that of the one before it.
#[derive(Clone, Copy, Debug)]
pub struct Rounds<'a> {
    /// Where the workers get their databases.
    pub place: Place,
    /// How many rounds.
    pub rounds: usize,
    /// How many tests each of its workers runs; in rounds of [`short`](crate::fresh::short) workers how many of them there are.
    pub tests: usize,
    /// What decides about everything random.
    pub seed: u64,
    /// What is started. It must do [`work`](crate::fresh::work) with the first argument `worker`.
    pub program: &'a Path,
}

impl Rounds<'_> {
    pub(crate) fn seeds(&self) -> impl Iterator<Item = u64> + use<> {
        (self.seed..).take(self.rounds)
    }
}
