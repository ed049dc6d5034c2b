//! Replicas that are killed, stopped and cut off, all at once.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use dunlin::BoxError;
use fastrand::Rng;
use rustix::process::Signal;
use tokio_postgres::Client;

use crate::{
    database,
    faults::{
        footprint::witness,
        part::Part,
        peace::Peace,
        replica::{End, Replica},
        runner::Runner,
        sweep::{Outcome, Tally, Trial, sweep},
    },
};

/// How many replicas boot at once.
const REPLICAS: usize = 4;

/// How often a replica is replaced.
const REPLACEMENTS: usize = 10;

/// The longest calm between two blows, in microseconds.
const CALM: u64 = 25_000;

/// Boots four replicas on one database, round after round. At random, one is killed, stopped or continued, or its session
/// is terminated; after the storm those that have not made it are replaced until all have. Each round has the seed after
/// that of the one before it. The program must become a [`replica`](crate::faults::replica) with the first argument
/// `replica`.
///
/// # Errors
/// When a run in peace does not do what it should.
pub async fn chaos(rounds: usize, seed: u64, program: &Path) -> Result<Tally, BoxError> {
    let points = (seed..).take(rounds).map(|seed| Storm { seed, program: program.to_owned() });
    Ok(sweep("chaos", Part::All.of(points), Peace::of(Runner::Boot).await?).await)
}

/// A round of chaos.
struct Storm {
    seed: u64,
    program: PathBuf,
}

#[derive(Clone, Copy)]
enum Blow {
    Kill,
    Terminate,
    Stop,
    Continue,
}

impl Trial for Storm {
    async fn try_out(self, peace: &Peace) -> Result<Outcome, BoxError> {
        let database = database().await;
        let observer = witness(&database.config()).await?;
        let start = || Replica::start(&self.program, &database.url(), None);
        let mut replicas = Vec::new();
        for _ in 0..REPLICAS {
            replicas.push(start()?);
        }
        let mut random = Rng::with_seed(self.seed);
        let (mut terminated, mut fell) = (0, 0);
        for _ in 0..random.usize(4..=12) {
            tokio::time::sleep(Duration::from_micros(random.u64(..CALM))).await;
            terminated += strike(&mut random, &replicas, &observer).await?;
        }
        replicas.iter().try_for_each(|replica| replica.signal(Signal::CONT))?;
        for mut replica in replicas {
            for left in (0..REPLACEMENTS).rev() {
                match replica.end().await? {
                    End::Done(_) => break,
                    End::Killed | End::Lost if left > 0 => replica = start()?,
                    end => return Err(format!("the {REPLACEMENTS}th replacement ended with {end:?}").into()),
                }
                fell += 1;
            }
        }
        peace.footprint.converges(&database.config()).await?;
        database.drop().await?;
        Ok(if terminated + fell > 0 { Outcome::Struck } else { Outcome::Missed })
    }
}

/// Strikes once, at random, and returns how many sessions it has terminated.
async fn strike(random: &mut Rng, replicas: &[Replica], observer: &Client) -> Result<u64, BoxError> {
    let victim = random.choice(replicas).ok_or("there is nobody to strike")?;
    let session = random.u32(..);
    match random.choice([Blow::Kill, Blow::Terminate, Blow::Stop, Blow::Continue]) {
        Some(Blow::Kill) => victim.signal(Signal::KILL)?,
        Some(Blow::Stop) => victim.signal(Signal::STOP)?,
        Some(Blow::Continue) => victim.signal(Signal::CONT)?,
        Some(Blow::Terminate) | None => {
            return Ok(observer.execute(TERMINATE, &[&i64::from(session)]).await?);
        }
    }
    Ok(0)
}

/// Ends one of the replicas' sessions.
const TERMINATE: &str = "
    WITH sessions AS (
        SELECT pid, row_number() OVER (ORDER BY backend_start) - 1 AS number, count(*) OVER () AS count
        FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend' AND application_name <> 'witness')
    SELECT pg_terminate_backend(pid) FROM sessions WHERE number = $1 % count";

impl fmt::Display for Storm {
    /// `seed 12`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}", self.seed)
    }
}
