//! Runners that are aborted, and whose sessions are terminated.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use dunlin::{BoxError, Error, Migrator, Pooler, Report};
use fastrand::Rng;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Config, NoTls};

use crate::{
    PgBouncer, Round,
    faults::{
        footprint::{Open, witness},
        peace::Peace,
        pooled::Pooled,
        poolers::RUNNERS,
        sweep::{Outcome, Trial},
    },
};

/// How many migrations there are: each of them looks for the keeper's lock.
const STEPS: i64 = 60;

/// The longest that a keeper has had the lock when it is struck, in microseconds.
const CALM: u64 = 25_000;

/// How long the runners may take.
const PATIENCE: Duration = Duration::from_secs(90);

/// A round of runners behind a pooler in transaction mode, of which some are struck.
pub(super) struct Storm {
    pub(super) pooler: Arc<PgBouncer>,
    pub(super) seed: u64,
}

#[derive(Clone, Copy, Debug)]
enum Blow {
    /// The session that keeps the lock is terminated.
    Keeper,
    /// The session that works is.
    Worker,
    /// The runner's future is dropped.
    Runner,
}

type Runner = JoinHandle<Result<Report, Error>>;

impl Trial for Storm {
    async fn try_out(self, _: &Peace) -> Result<Outcome, BoxError> {
        let pooled = Pooled::new(&self.pooler).await;
        let outcome = self.blow(&pooled).await.map_err(|error| pooled.explain(error))?;
        pooled.end().await?;
        Ok(outcome)
    }
}

impl Storm {
    async fn blow(&self, pooled: &Pooled) -> Result<Outcome, BoxError> {
        let observer = witness(&pooled.database().config()).await?;
        let migrator = Migrator::new(Round::set(STEPS)).pooler(Pooler::Transaction);
        let runners = (0..RUNNERS).map(|number| start(number, pooled.config(), migrator.clone()));
        let runners: Vec<_> = runners.collect();
        let mut random = Rng::with_seed(self.seed);
        let mut hits = Vec::new();
        // Who is struck three times in a row may give up.
        for _ in 0..random.usize(1..=2) {
            hits.extend(strike(&mut random, &runners, &observer).await?);
        }
        let mut outcomes = Vec::new();
        for runner in runners {
            let ended = tokio::time::timeout(PATIENCE, runner).await.map_err(|_| "a runner does not end")?;
            match ended {
                Ok(outcome) => outcomes.push(outcome),
                Err(error) if error.is_cancelled() => {}
                Err(error) => return Err(error.into()),
            }
        }
        let freed = Open::until(&observer, Open::is_free).await?;
        drop(observer);
        let round = Round::of(&migrator, pooled.database(), outcomes).await;
        round.is_right(|_| false).map_err(|error| format!("{hits:?}: {error}"))?;
        let after = Round::run(&migrator, pooled.database(), &pooled.config(), 1).await;
        after.is_right(|_| false).map_err(|error| format!("the run after it: {error}"))?;
        pooled.is_as_before().await?;
        Ok(if hits.is_empty() { Outcome::Missed } else { Outcome::Freed(freed) })
    }
}

fn start(number: usize, mut config: Config, migrator: Migrator) -> Runner {
    // The pooler hands the name on to the session that works for the runner.
    config.application_name(name(number));
    tokio::spawn(async move { dunlin::migrate(&config, NoTls, &migrator).await })
}

fn name(number: usize) -> String {
    format!("runner {number}")
}

/// Strikes the runner that has the lock, once one has it and a moment later. Nothing when all have ended before.
async fn strike(random: &mut Rng, runners: &[Runner], observer: &Client) -> Result<Option<Blow>, BoxError> {
    let blow = random.choice([Blow::Keeper, Blow::Worker, Blow::Runner]).ok_or("there are no blows")?;
    let calm = Duration::from_micros(random.u64(..CALM));
    let began = Instant::now();
    while observer.query_opt(KEEPER, &[&KEEPING]).await?.is_none() {
        if runners.iter().all(JoinHandle::is_finished) {
            return Ok(None);
        }
        if began.elapsed() > PATIENCE {
            return Err("nobody gets the lock".into());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(calm).await;
    let was_struck = match blow {
        Blow::Keeper => observer.execute(TERMINATE, &[&KEEPING]).await? > 0,
        Blow::Worker => observer.execute(TERMINATE, &[&(KEEPING + 1)]).await? > 0,
        Blow::Runner => {
            let keeper = observer.query_opt(KEEPER, &[&KEEPING]).await?;
            let keeper: Option<&str> = keeper.as_ref().map(|row| row.get(0));
            let runner = (0..).zip(runners).find(|(number, _)| Some(name(*number).as_str()) == keeper);
            runner.map(|(_, runner)| runner.abort()).is_some()
        }
    };
    Ok(was_struck.then_some(blow))
}

/// The first half of the lock's key, `dunl` in ASCII. That of who works is one more.
const KEEPING: i64 = 0x6475_6e6c;

/// Who has the lock.
const KEEPER: &str = "
    SELECT a.application_name
    FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database JOIN pg_stat_activity AS a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.granted AND l.classid::bigint = $1 AND d.datname = current_database()";

/// Ends the session that has the lock, or the one that works.
const TERMINATE: &str = "
    SELECT pg_terminate_backend(l.pid) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database
    WHERE l.locktype = 'advisory' AND l.granted AND l.classid::bigint = $1 AND d.datname = current_database()";

impl fmt::Display for Storm {
    /// `a storm behind a pool of 4 in transaction mode, seed 12`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a storm behind {}, seed {}", self.pooler, self.seed)
    }
}
