//! Where in its run the scenario is stopped short.

use std::{fmt, time::Duration};

use dunlin::BoxError;
use tokio_postgres::Client;

use crate::faults::{
    drop_at::{DropAt, Moment},
    scenario::Nap,
};

/// How long a run may take to come to a place.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where in its run the scenario is stopped short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// At a poll.
    Poll(DropAt),
    /// While a statement sleeps.
    Nap(Nap),
    /// While the concurrent index waits for somebody's transaction.
    Index,
}

impl Place {
    /// All places of a run of so many polls; some runs take some more.
    pub(crate) fn all(polls: usize) -> impl Iterator<Item = Self> {
        let at = |poll| Moment::ALL.map(|moment| Self::Poll(DropAt { poll, moment }));
        let polls = (1..=polls.saturating_add(3)).flat_map(at);
        polls.chain(Nap::ALL.map(Self::Nap)).chain([Self::Index])
    }

    /// Gives a concurrent index something to wait for, if this is the place: a transaction of this session.
    pub(crate) async fn obstruct(self, other: &Client) -> Result<(), BoxError> {
        if self == Self::Index {
            other.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1").await?;
        }
        Ok(())
    }

    /// Waits until a run has come here. It never does to a poll, which only the run itself can see.
    pub(crate) async fn reached(self, observer: &Client) -> Result<(), BoxError> {
        let event = match self {
            Self::Poll(_) => return std::future::pending().await,
            Self::Nap(_) => "PgSleep",
            Self::Index => "virtualxid",
        };
        let sql = "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event = $1";
        let seen = async {
            while !observer.query_one(sql, &[&event]).await?.get::<_, bool>(0) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Ok(())
        };
        tokio::time::timeout(PATIENCE, seen).await.map_err(|_| format!("no session waits for {event}"))?
    }
}

impl fmt::Display for Place {
    /// `poll 12, sent`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poll(place) => place.fmt(f),
            Self::Nap(nap) => write!(f, "asleep in {}", nap.name()),
            Self::Index => f.write_str("the index waits"),
        }
    }
}
