//! Cuts of the connection: at every message, and twice in a row.

use std::{fmt, time::Duration};

use dunlin::{BoxError, Error, ErrorKind};

use crate::{
    database,
    faults::{
        part::Part,
        peace::Peace,
        runner::{Runner, is_lost},
        scenario::Scenario,
        sweep::{Outcome, Tally, Trial, sweep},
    },
    proxy::{Cut, Direction, Fault, Proxy, Traffic},
};

pub(crate) const CUTS: [Cut; 3] = [Cut::Before, Cut::Half, Cut::After];

/// How long a run may take that is cut.
const PATIENCE: Duration = Duration::from_secs(90);

/// Cuts the connection before, in the middle of and after each message: that of dunlin's own, that out of a pool, and the
/// caller's.
///
/// # Errors
/// When a run in peace does not do what it should.
pub async fn cuts(part: Part) -> Result<Tally, BoxError> {
    let mut points = Vec::new();
    for runner in Runner::ALL {
        for (direction, message) in Peace::of(runner).await?.messages() {
            let faults = |cut| vec![Fault::cut(direction, message, cut)];
            points.extend(CUTS.map(|cut| CutRun { runner, faults: faults(cut), seed: None }));
        }
    }
    Ok(sweep("cuts", part.of(points), Peace::of(Runner::Boot).await?).await)
}

/// Cuts the connection at a random message, and the one after it at another. Each round has the seed after that of the
/// one before it.
///
/// # Errors
/// As [`cuts`].
pub async fn double_cuts(rounds: usize, seed: u64) -> Result<Tally, BoxError> {
    let mut peace = Vec::new();
    for runner in Runner::ALL {
        peace.push((runner, Peace::of(runner).await?.traffic));
    }
    let points = (seed..).take(rounds).map(|seed| {
        let mut random = fastrand::Rng::with_seed(seed);
        let (runner, traffic) = *random.choice(&peace).expect("there are runners");
        let first = random_cut(&mut random, traffic);
        // A run that goes on where another was cut has fewer messages.
        let to_server = random.usize(1..=traffic.to_server);
        let less = Traffic { to_server, to_client: random.usize(1..=traffic.to_client) };
        CutRun { runner, faults: vec![first, random_cut(&mut random, less)], seed: Some(seed) }
    });
    Ok(sweep("double cuts", Part::All.of(points), Peace::of(Runner::Boot).await?).await)
}

fn random_cut(random: &mut fastrand::Rng, traffic: Traffic) -> Fault {
    // Of the server's messages there are many more.
    let (direction, messages) = match random.bool() {
        true => (Direction::ToServer, traffic.to_server),
        false => (Direction::ToClient, traffic.to_client),
    };
    let cut = random.choice(CUTS).expect("there are cuts");
    Fault::cut(direction, random.usize(1..=messages), cut)
}

/// A run whose connections are cut.
struct CutRun {
    runner: Runner,
    faults: Vec<Fault>,
    /// How it came about.
    seed: Option<u64>,
}

impl Trial for CutRun {
    async fn try_out(self, peace: &Peace) -> Result<Outcome, BoxError> {
        let database = database().await;
        let proxy = Proxy::start(&database.config()).await;
        proxy.arm(self.faults.iter().copied());
        for number in 0..self.faults.len() {
            let struck = proxy.struck();
            let run = tokio::time::timeout(PATIENCE, self.runner.run(&proxy.config())).await;
            match run.map_err(|_| "the run that was cut does not end")? {
                Ok(report) if number > 0 || Scenario::Whole.is_all_of(&report) => break,
                Ok(report) => return Err(format!("the run that was cut says: {report}").into()),
                Err(error) if proxy.struck() > struck && self.may_fail_with(&error, peace) => {}
                Err(error) => return Err(format!("the run that was cut: {:?}: {error}", error.kind()).into()),
            }
        }
        peace.footprint.converges(&database.config()).await?;
        let outcome = if proxy.struck() == self.faults.len() { Outcome::Struck } else { Outcome::Missed };
        database.drop().await?;
        Ok(outcome)
    }
}

impl CutRun {
    /// Who can connect anew does when the connection was lost: a single cut is none of the caller's business, unless it
    /// hits the first connection while that comes about.
    fn may_fail_with(&self, error: &Error, peace: &Peace) -> bool {
        match (self.runner, self.faults.as_slice()) {
            (Runner::Boot | Runner::Pool, [fault]) => {
                error.kind() == ErrorKind::Connect && peace.is_connecting(fault)
            }
            _ => is_lost(error),
        }
    }
}

impl fmt::Display for CutRun {
    /// `own connection, cut before message 12 to the server`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.runner)?;
        if let Some(seed) = self.seed {
            write!(f, ", seed {seed}")?;
        }
        self.faults.iter().try_for_each(|fault| write!(f, ", {fault}"))
    }
}
