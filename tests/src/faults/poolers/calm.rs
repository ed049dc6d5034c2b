//! Runners whom nobody disturbs.

use std::{fmt, sync::Arc, time::Duration};

use dunlin::{BoxError, Error, ErrorKind, Migrator, Pooler};

use crate::{
    PgBouncer, Round,
    faults::{
        peace::Peace,
        pooled::Pooled,
        poolers::RUNNERS,
        sweep::{Outcome, Trial},
    },
};

/// How many migrations there are.
const STEPS: i64 = 10;

/// How long a runner waits that does not know what it waits for.
const DEADLINE: Duration = Duration::from_secs(10);

/// What the runners know of the pooler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Knowledge {
    /// All that they must.
    Told,
    /// Nothing, which they would have to.
    Untold,
    /// Nothing, and it does not matter.
    Needless,
}

impl Knowledge {
    fn migrator(self) -> Migrator {
        let migrator = Migrator::new(Round::set(STEPS));
        match self {
            Self::Told => migrator.pooler(Pooler::Transaction),
            Self::Untold => migrator.deadline(DEADLINE),
            Self::Needless => migrator,
        }
    }

    fn allows(self, error: &Error) -> bool {
        self == Self::Untold && matches!(error.kind(), ErrorKind::Pooler | ErrorKind::LockTimeout)
    }
}

/// A round of runners whom nobody disturbs.
pub(super) struct Calm {
    pub(super) knowledge: Knowledge,
    pub(super) pooler: Arc<PgBouncer>,
}

impl Trial for Calm {
    async fn try_out(self, _: &Peace) -> Result<Outcome, BoxError> {
        let pooled = Pooled::new(&self.pooler).await;
        let outcome = self.run(&pooled).await.map_err(|error| pooled.explain(error))?;
        pooled.end().await?;
        Ok(outcome)
    }
}

impl Calm {
    async fn run(&self, pooled: &Pooled) -> Result<Outcome, BoxError> {
        let migrator = self.knowledge.migrator();
        let round = Round::run(&migrator, pooled.database(), &pooled.config(), RUNNERS).await;
        round.is_right(|error| self.knowledge.allows(error))?;
        pooled.is_as_before().await?;
        pooled.disconnect().await;
        let direct = pooled.database().config();
        let after = Round::run(&Migrator::new(Round::set(STEPS)), pooled.database(), &direct, 1).await;
        after.is_right(|_| false).map_err(|error| format!("the run after it: {error}"))?;
        let is_struck = self.knowledge != Knowledge::Untold || round.errors().next().is_some();
        Ok(if is_struck { Outcome::Struck } else { Outcome::Missed })
    }
}

impl fmt::Display for Calm {
    /// `untold of a pool of 4 in transaction mode`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = match self.knowledge {
            Knowledge::Told => "told",
            Knowledge::Untold | Knowledge::Needless => "untold",
        };
        write!(f, "{told} of {}", self.pooler)
    }
}
