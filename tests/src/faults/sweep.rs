//! Runs the points of a sweep, some at once, and counts.

use std::{
    fmt,
    future::Future,
    iter,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use dunlin::BoxError;
use tokio::task::JoinSet;

use crate::faults::peace::Peace;

/// How many points are tried at once.
const WORKERS: usize = 4;

/// One point of a sweep. `Display` says which.
pub(crate) trait Trial: fmt::Display + Send + 'static {
    /// Applies the scenario while something goes wrong, and then in peace.
    fn try_out(self, peace: &Peace) -> impl Future<Output = Result<Outcome, BoxError>> + Send;
}

/// What came of a point that was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The fault struck.
    Struck,
    /// It struck, and it took so long until lock and transaction were free.
    Freed(Duration),
    /// It never came to the fault.
    Missed,
}

/// A sweep that has run.
#[derive(Debug)]
pub struct Tally {
    name: &'static str,
    points: usize,
    missed: usize,
    slowest: Option<(Duration, String)>,
    wrong: Vec<String>,
    took: Duration,
}

impl Tally {
    /// Whether nothing was wrong, and faults struck.
    pub fn is_right(&self) -> bool {
        self.wrong.is_empty() && self.missed < self.points
    }

    fn note(&mut self, number: usize, point: &str, outcome: Result<Outcome, BoxError>) {
        self.points += 1;
        match outcome {
            Ok(Outcome::Struck) => {}
            Ok(Outcome::Missed) => self.missed += 1,
            Ok(Outcome::Freed(after)) => {
                if self.slowest.as_ref().is_none_or(|(slowest, _)| *slowest < after) {
                    self.slowest = Some((after, point.to_owned()));
                }
            }
            Err(error) => {
                let causes = iter::successors(error.source(), |cause| cause.source());
                let causes: String = causes.map(|cause| format!(": {cause}")).collect();
                self.wrong.push(format!("point {number}, {point}: {error}{causes}"));
            }
        }
    }
}

impl fmt::Display for Tally {
    /// `cuts: 742 points, 0 wrong, 0 never struck, in 80.1s`, and what was wrong.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, points, missed, took, .. } = self;
        write!(
            f,
            "{name}: {points} points, {} wrong, {missed} never struck, in {took:.1?}",
            self.wrong.len()
        )?;
        if let Some((after, point)) = &self.slowest {
            write!(f, "; all free after {after:.1?} at most ({point})")?;
        }
        self.wrong.iter().try_for_each(|wrong| write!(f, "\n\n{wrong}"))
    }
}

/// Tries each of the numbered points.
pub(crate) async fn sweep<T: Trial>(name: &'static str, points: Vec<(usize, T)>, peace: Peace) -> Tally {
    let began = Instant::now();
    let tally = Tally { name, points: 0, missed: 0, slowest: None, wrong: Vec::new(), took: Duration::ZERO };
    let tally = Arc::new(Mutex::new(tally));
    let points = Arc::new(Mutex::new(points.into_iter()));
    let peace = Arc::new(peace);
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        let (tally, points, peace) = (Arc::clone(&tally), Arc::clone(&points), Arc::clone(&peace));
        workers.spawn(async move {
            loop {
                let next = points.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some((number, trial)) = next else { return };
                let (name, peace) = (trial.to_string(), Arc::clone(&peace));
                // A panic is this point's alone.
                let outcome = tokio::spawn(async move { trial.try_out(&peace).await }).await;
                let outcome = outcome.unwrap_or_else(|panic| Err(panic.into()));
                tally.lock().unwrap_or_else(PoisonError::into_inner).note(number, &name, outcome);
            }
        });
    }
    workers.join_all().await;
    let tally = Arc::into_inner(tally).expect("all workers have ended");
    let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    tally.took = began.elapsed();
    tally
}
