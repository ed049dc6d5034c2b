//! Cuts of the connections to a pooler in transaction mode: of the one that keeps the lock, and of the one that works.

use std::{fmt, sync::Arc, time::Duration};

use dunlin::{BoxError, ErrorKind, Pooler};
use tokio_postgres::NoTls;

use crate::{
    PgBouncer, PoolMode,
    faults::{
        cuts::CUTS,
        footprint::{Open, witness},
        part::Part,
        peace::Peace,
        pooled::Pooled,
        scenario::Scenario,
        sweep::{Outcome, Tally, Trial, sweep},
    },
    proxy::{Fault, Proxy},
    server,
};

/// One connection keeps the lock, the other one works.
const POOL_SIZE: usize = 2;

/// How long a run may take that is cut.
const PATIENCE: Duration = Duration::from_secs(90);

/// Cuts the connections to a pooler before, in the middle of and after each message. The pool is as small as can be.
///
/// # Errors
/// When a run in peace does not do what it should.
pub async fn pooler_cuts(part: Part) -> Result<Tally, BoxError> {
    let peace = Peace::behind(&pooler().await).await?;
    let mut points = Vec::new();
    for (direction, message) in peace.messages() {
        points.extend(CUTS.map(|cut| PooledCut(Fault::cut(direction, message, cut))));
    }
    Ok(sweep("pooler cuts", part.of(points), peace).await)
}

async fn pooler() -> Arc<PgBouncer> {
    let server = server().await.config();
    Arc::new(PgBouncer::start(&server, PoolMode::Transaction, POOL_SIZE).await)
}

/// A run behind a pooler, one of whose connections is cut.
struct PooledCut(Fault);

impl Trial for PooledCut {
    async fn try_out(self, peace: &Peace) -> Result<Outcome, BoxError> {
        // A pooler that ends by itself is this point's alone.
        let pooled = Pooled::new(&pooler().await).await;
        let outcome = self.cut(&pooled, peace).await.map_err(|error| pooled.explain(error))?;
        pooled.end().await?;
        Ok(outcome)
    }
}

impl PooledCut {
    async fn cut(&self, pooled: &Pooled, peace: &Peace) -> Result<Outcome, BoxError> {
        let scenario = Scenario::Transactional;
        let migrator = scenario.migrator().pooler(Pooler::Transaction);
        let direct = pooled.database().config();
        let observer = witness(&direct).await?;
        let proxy = Proxy::start(&pooled.config()).await;
        proxy.arm([self.0]);
        let run = tokio::time::timeout(PATIENCE, dunlin::migrate(&proxy.config(), NoTls, &migrator)).await;
        match run.map_err(|_| "the run that was cut does not end")? {
            Ok(report) if scenario.is_all_of(&report) => {}
            Ok(report) => return Err(format!("the run that was cut says: {report}").into()),
            Err(error) if error.kind() == ErrorKind::Connect && peace.is_connecting(&self.0) => {}
            Err(error) => return Err(format!("the run that was cut: {error:?}").into()),
        }
        let freed = Open::until(&observer, Open::is_free).await?;
        drop(observer);
        let through = pooled.config();
        let again = dunlin::migrate(&through, NoTls, &migrator);
        let again = tokio::time::timeout(PATIENCE, again).await.map_err(|_| "the run after it hangs")?;
        again.map_err(|error| format!("the run after it: {:?}: {error}", error.kind()))?;
        pooled.is_as_before().await?;
        pooled.disconnect().await;
        peace.footprint.converges(&direct).await?;
        Ok(if proxy.struck() > 0 { Outcome::Freed(freed) } else { Outcome::Missed })
    }
}

impl fmt::Display for PooledCut {
    /// `cut before message 12 to the server`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
