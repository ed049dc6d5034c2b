use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio_postgres::Client;

use crate::{Failure, Place};

/// Half of them read, half of them write, each on a connection of its own.
const WORKERS: i64 = 8;

const ROWS_EACH: i64 = 50;

/// What a worker does between two statements: an application that does nothing but wait for the database would measure who
/// gets a processor.
const PAUSE: Duration = Duration::from_millis(4);

/// An application at work: small statements on one table, each of them timed.
pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    workers: JoinSet<Result<Vec<Statement>, Failure>>,
}

/// When a statement was sent and answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Statement {
    began: Instant,
    ended: Instant,
}

impl Traffic {
    /// The table.
    pub(crate) const TABLE: &str =
        "CREATE TABLE flock (id bigint PRIMARY KEY, birds integer NOT NULL, species text NOT NULL)";

    /// Fills the table and starts to work on it.
    pub(crate) async fn start(place: &Place) -> Result<Self, Failure> {
        let rows = format!(
            "INSERT INTO flock SELECT n, 0, 'calidris alpina' FROM generate_series(0, {}) AS n",
            WORKERS * ROWS_EACH
        );
        place.connect().await?.batch_execute(&rows).await?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut workers = JoinSet::new();
        for worker in 0..WORKERS {
            let client = place.connect().await?;
            workers.spawn(work(client, worker, stop.clone()));
        }
        Ok(Self { stop, workers })
    }

    /// Stops, and returns all statements.
    pub(crate) async fn stop(self) -> Result<Vec<Statement>, Failure> {
        self.stop.store(true, Ordering::Relaxed);
        let mut statements = Vec::new();
        for worker in self.workers.join_all().await {
            statements.extend(worker?);
        }
        Ok(statements)
    }
}

impl Statement {
    /// Whether it was waited for at some time between the two.
    pub(crate) fn overlaps(&self, from: Instant, to: Instant) -> bool {
        self.began < to && from < self.ended
    }

    pub(crate) fn took(&self) -> Duration {
        self.ended.duration_since(self.began)
    }
}

async fn work(client: Client, worker: i64, stop: Arc<AtomicBool>) -> Result<Vec<Statement>, Failure> {
    let sql = match worker % 2 {
        0 => "SELECT birds, species FROM flock WHERE id = $1",
        _ => "UPDATE flock SET birds = birds + 1 WHERE id = $1",
    };
    let prepared = client.prepare(sql).await?;
    let mut statements = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        // No worker waits for the row of another.
        let round = i64::try_from(statements.len())?;
        let id = worker * ROWS_EACH + round % ROWS_EACH;
        let began = Instant::now();
        client.execute(&prepared, &[&id]).await?;
        statements.push(Statement { began, ended: Instant::now() });
        tokio::time::sleep(PAUSE).await;
    }
    Ok(statements)
}
