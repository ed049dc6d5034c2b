//! Runners behind a pooler, all at once.

mod calm;
mod storm;

use std::{fmt, sync::Arc};

use dunlin::BoxError;

use crate::{
    PgBouncer, PoolMode,
    faults::{
        part::Part,
        peace::Peace,
        poolers::{
            calm::{Calm, Knowledge},
            storm::Storm,
        },
        runner::Runner,
        sweep::{Outcome, Tally, Trial, sweep},
    },
    server,
};

/// How many server connections a database has.
const POOL_SIZES: [usize; 3] = [2, 4, 20];

/// How many run at once.
const RUNNERS: usize = 8;

/// Lets eight runners at once boot behind a pooler, so many rounds of each: in transaction mode when they know of it, and
/// when they do not, in session mode, and in transaction mode with runners that are aborted or whose sessions are terminated.
/// Each round has the seed after that of the one before it, and one of three sizes of the pool.
///
/// # Errors
/// When a run in peace does not do what it should.
pub async fn poolers(rounds: usize, seed: u64) -> Result<Tally, BoxError> {
    let (transaction, session) = (pools(PoolMode::Transaction).await, pools(PoolMode::Session).await);
    let pools = transaction.iter().zip(&session).cycle().take(rounds);
    let points = (seed..).zip(pools).flat_map(|(seed, (transaction, session))| {
        let calm = |knowledge, pooler| Point::Calm(Calm { knowledge, pooler: Arc::clone(pooler) });
        [
            calm(Knowledge::Told, transaction),
            calm(Knowledge::Untold, transaction),
            calm(Knowledge::Needless, session),
            Point::Storm(Storm { pooler: Arc::clone(transaction), seed }),
        ]
    });
    Ok(sweep("poolers", Part::All.of(points), Peace::of(Runner::Boot).await?).await)
}

async fn pools(mode: PoolMode) -> Vec<Arc<PgBouncer>> {
    let server = server().await.config();
    let mut pools = Vec::new();
    for size in POOL_SIZES {
        pools.push(Arc::new(PgBouncer::start(&server, mode, size).await));
    }
    pools
}

/// A round.
enum Point {
    Calm(Calm),
    Storm(Storm),
}

impl Trial for Point {
    async fn try_out(self, peace: &Peace) -> Result<Outcome, BoxError> {
        match self {
            Self::Calm(calm) => calm.try_out(peace).await,
            Self::Storm(storm) => storm.try_out(peace).await,
        }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calm(calm) => calm.fmt(f),
            Self::Storm(storm) => storm.fmt(f),
        }
    }
}
