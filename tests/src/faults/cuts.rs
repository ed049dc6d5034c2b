//! Cuts of the connection: at every message, and twice in a row.

use std::{fmt, sync::Arc, time::Duration};

use dunlin::{BoxError, Error, ErrorKind, Report};
use tokio_postgres::NoTls;

use crate::{
    database,
    faults::{
        footprint::Footprint,
        part::Part,
        runner::Runner,
        scenario::STEPS,
        sweep::{Outcome, Tally, sweep},
    },
    proxy::{Cut, Direction, Effect, Fault, Proxy, Traffic},
};

/// Whether `dunlin::migrate` connects anew when it has lost its connection. Then a single cut is none of its caller's
/// business, unless it hits the first connection while that comes about.
const RECONNECTS: bool = false;

/// How long a run may take that is cut.
const PATIENCE: Duration = Duration::from_secs(90);

/// Cuts the connection before, in the middle of and after each message: that of a run on a connection of dunlin's own, and
/// that of one on the caller's.
///
/// # Errors
/// When a run in peace does not do what it should.
pub async fn cuts(part: Part) -> Result<Tally, BoxError> {
    let mut points = Vec::new();
    for runner in [Runner::Boot, Runner::Caller] {
        let traffic = Peace::of(runner).await?.traffic;
        for (direction, messages) in
            [(Direction::ToServer, traffic.to_server), (Direction::ToClient, traffic.to_client)]
        {
            for message in 1..=messages {
                let fault = |cut| vec![Fault::cut(direction, message, cut)];
                let point = |cut| Point { runner, faults: fault(cut), seed: None };
                points.extend([Cut::Before, Cut::Half, Cut::After].map(point));
            }
        }
    }
    run("cuts", part.of(points)).await
}

/// Cuts the connection at a random message, and the one after it at another. The seed of a round is that of the first
/// and the rounds between them.
///
/// # Errors
/// As [`cuts`].
pub async fn double_cuts(rounds: usize, seed: u64) -> Result<Tally, BoxError> {
    let mut peace = Vec::new();
    for runner in [Runner::Boot, Runner::Caller] {
        peace.push((runner, Peace::of(runner).await?.traffic));
    }
    let points = (seed..).take(rounds).map(|seed| {
        let mut random = fastrand::Rng::with_seed(seed);
        let (runner, traffic) = *random.choice(&peace).expect("there are runners");
        let first = random_cut(&mut random, traffic);
        // A run that goes on where another was cut has fewer messages.
        let less = Traffic {
            to_server: random.usize(1..=traffic.to_server),
            to_client: random.usize(1..=traffic.to_client),
        };
        let faults = vec![first, random_cut(&mut random, less)];
        Point { runner, faults, seed: Some(seed) }
    });
    run("double cuts", Part::All.of(points)).await
}

fn random_cut(random: &mut fastrand::Rng, traffic: Traffic) -> Fault {
    // Of the server's messages there are many more.
    let (direction, messages) = match random.bool() {
        true => (Direction::ToServer, traffic.to_server),
        false => (Direction::ToClient, traffic.to_client),
    };
    let cut = random.choice([Cut::Before, Cut::Half, Cut::After]).expect("there are cuts");
    Fault::cut(direction, random.usize(1..=messages), cut)
}

async fn run(name: &'static str, points: Vec<(usize, Point)>) -> Result<Tally, BoxError> {
    let peace = Arc::new(Peace::of(Runner::Boot).await?);
    let trial = move |point: Point| {
        let peace = Arc::clone(&peace);
        async move { point.try_out(&peace).await }
    };
    Ok(sweep(name, points, trial).await)
}

/// Where a run is cut.
struct Point {
    runner: Runner,
    faults: Vec<Fault>,
    /// How it came about.
    seed: Option<u64>,
}

impl Point {
    async fn try_out(self, peace: &Peace) -> Result<Outcome, BoxError> {
        let database = database().await;
        let proxy = Proxy::start(&database.config()).await;
        proxy.arm(self.faults.iter().copied());
        for number in 0..self.faults.len() {
            let struck = proxy.struck();
            match self.runner.run_within(PATIENCE, &proxy.config()).await? {
                Ok(report) if number > 0 || has_applied_all(&report) => break,
                Ok(report) => return Err(format!("a run that was cut says: {report}").into()),
                Err(error) if proxy.struck() > struck && self.may_fail_with(&error, peace) => {}
                Err(error) => return Err(format!("the run that was cut: {:?}: {error}", error.kind()).into()),
            }
        }
        peace.footprint.converges(&database.config()).await?;
        let outcome = if proxy.struck() == self.faults.len() { Outcome::Struck } else { Outcome::Missed };
        database.drop().await?;
        Ok(outcome)
    }

    fn may_fail_with(&self, error: &Error, peace: &Peace) -> bool {
        let is_single = self.faults.len() == 1;
        if RECONNECTS && is_single && self.runner == Runner::Boot {
            return error.kind() == ErrorKind::Connect
                && self.faults.iter().all(|fault| peace.is_connecting(fault));
        }
        matches!(error.kind(), ErrorKind::Connect | ErrorKind::Connection)
    }
}

impl fmt::Display for Point {
    /// `own connection, cut before message 12 to the server`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.runner)?;
        if let Some(seed) = self.seed {
            write!(f, ", seed {seed}")?;
        }
        self.faults.iter().try_for_each(|fault| write!(f, ", {fault}"))
    }
}

/// Each migration once, in order, whether or not its COMMIT was acknowledged.
fn has_applied_all(report: &Report) -> bool {
    let versions = report.applied().map(|done| done.id().version());
    versions.eq((1..).take(STEPS))
}

/// A run without a fault.
struct Peace {
    footprint: Footprint,
    traffic: Traffic,
    /// The part of the traffic that opens a connection.
    connecting: Traffic,
}

impl Peace {
    async fn of(runner: Runner) -> Result<Self, BoxError> {
        let database = database().await;
        let proxy = Proxy::start(&database.config()).await;
        drop(proxy.config().connect(NoTls).await?);
        let connecting = proxy.traffic();
        proxy.reset();
        runner.run(&proxy.config()).await?;
        // The farewell is a message too.
        while proxy.connections() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let traffic = proxy.traffic();
        let footprint = Footprint::of_peace(&database).await?;
        database.drop().await?;
        Ok(Self { footprint, traffic, connecting })
    }

    /// Whether a cut hits a connection before it is open.
    fn is_connecting(&self, fault: &Fault) -> bool {
        let last = match fault.direction {
            Direction::ToServer => self.connecting.to_server,
            Direction::ToClient => self.connecting.to_client,
        };
        fault.message < last || fault.message == last && fault.effect != Effect::Cut(Cut::After)
    }
}
