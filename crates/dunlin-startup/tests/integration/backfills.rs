//! Backfills that were put off.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use dunlin_backfill::{Backfill, Change, Placement, Row, RowError, Settings, Source};
use dunlin_core::{Connect, Connection, Direct, Error, MigrationSet, Migrator};
use dunlin_startup::{BackfillState, Phase, PutOff, Startup};
use dunlin_test::Database;
use tokio_postgres::NoTls;

use crate::support::{connect, database, until};

#[derive(Row)]
struct Name {
    first: String,
}

#[derive(Change)]
struct Whole {
    whole: String,
}

struct Fill;

#[dunlin_backfill::migration]
impl Backfill for Fill {
    type Row = Name;
    type Change = Whole;

    fn source(&self) -> Source {
        Source::table("people").remaining("whole IS NULL")
    }

    fn settings(&self) -> Settings {
        Settings::default().placement(Placement::PutOff).batch_time(Duration::from_millis(5))
    }

    fn convert(&self, name: &Name) -> Result<Option<Whole>, RowError> {
        Ok(Some(Whole { whole: name.first.clone() }))
    }
}

async fn people() -> Database {
    let database = database().await;
    let client = database.connect().await.unwrap();
    let sql = "CREATE TABLE people (id bigint PRIMARY KEY, first text NOT NULL, whole text); \
               INSERT INTO people SELECT n, 'name ' || n FROM generate_series(1, 20000) AS n";
    client.batch_execute(sql).await.unwrap();
    database
}

fn fill() -> Migrator {
    Migrator::new(MigrationSet::builder().rust(1, "fill", Fill).build().unwrap())
}

async fn remaining(database: &Database) -> i64 {
    let client = database.connect().await.unwrap();
    client.query_one("SELECT count(*) FROM people WHERE whole IS NULL", &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn it_is_ready_while_they_are_finished_in_the_background() {
    let database = people().await;
    let startup = Startup::new(connect(&database), fill()).start();
    let snapshot = until(&startup, |snapshot| snapshot.phase == Phase::Backfilling).await;
    assert!(snapshot.ready);
    until(&startup, |snapshot| snapshot.phase == Phase::Done).await;
    assert_eq!(remaining(&database).await, 0);
    let [backfill] = &startup.refresh().await.backfills[..] else { panic!("{:#?}", startup.snapshot()) };
    assert_eq!((backfill.id.name(), backfill.state), ("fill", BackfillState::Finished));
    assert_eq!((backfill.done, backfill.share()), (20_000, 1.0));
}

#[tokio::test]
async fn it_waits_for_them_where_it_was_told_to() {
    let database = people().await;
    let startup = Startup::new(connect(&database), fill()).backfills(PutOff::BeforeReady).start();
    let snapshot = until(&startup, |snapshot| snapshot.phase == Phase::Backfilling).await;
    assert_eq!((snapshot.ready, snapshot.reason.as_deref()), (false, Some("finishing backfills")));
    startup.wait_ready().await.unwrap();
    assert_eq!(remaining(&database).await, 0);
}

#[tokio::test]
async fn it_leaves_them_to_somebody_else_and_tells_how_far_that_is() {
    let database = people().await;
    let startup = Startup::new(connect(&database), fill()).backfills(PutOff::Elsewhere).start();
    startup.wait_ready().await.unwrap();
    assert_eq!((startup.phase(), remaining(&database).await), (Phase::Done, 20_000));
    assert_eq!(startup.refresh().await.backfills[0].state, BackfillState::Waiting);

    let worker = Startup::new(connect(&database), fill()).start();
    until(&worker, |snapshot| snapshot.phase == Phase::Done).await;
    // Who looks on is told what others do.
    until(&startup, |snapshot| snapshot.backfills[0].state == BackfillState::Finished).await;
}

#[tokio::test]
async fn it_stops_between_two_batches_and_the_next_one_goes_on() {
    let database = people().await;
    let startup = Startup::new(connect(&database), fill()).grace(Duration::from_secs(20)).start();
    until(&startup, |snapshot| snapshot.backfills.iter().any(|backfill| backfill.done > 0)).await;
    startup.shutdown().await;
    assert_eq!(startup.phase(), Phase::Stopped);
    let left = remaining(&database).await;
    assert!(left > 0 && left < 20_000, "{left}");

    let next = Startup::new(connect(&database), fill()).start();
    until(&next, |snapshot| snapshot.phase == Phase::Done).await;
    assert_eq!(remaining(&database).await, 0);
    let client = database.connect().await.unwrap();
    let sql = "SELECT processed, changed FROM dunlin_history_backfills";
    let row = client.query_one(sql, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (20_000, 20_000), "each row was counted once");
}

#[tokio::test]
async fn one_that_fails_in_the_background_is_told_and_tried_again_while_the_service_is_ready() {
    let database = people().await;
    let client = database.connect().await.unwrap();
    let refuse = "ALTER TABLE people ADD CONSTRAINT refused CHECK (whole IS NULL) NOT VALID";
    client.batch_execute(refuse).await.unwrap();
    let startup = Startup::new(connect(&database), fill()).start();
    let snapshot = until(&startup, |snapshot| snapshot.failure.is_some()).await;
    assert_eq!((snapshot.phase, snapshot.ready), (Phase::Backfilling, true));
    let failure = snapshot.failure.unwrap();
    assert!(failure.text.contains("rows are poison"), "{}", failure.text);

    // Its rows are looked at once more by whoever mends what has failed.
    client.batch_execute("ALTER TABLE people DROP CONSTRAINT refused").await.unwrap();
    let backfills = dunlin_backfill::Backfills::new(fill(), connect(&database));
    backfills.retry_quarantined("fill", &Fill).await.unwrap();
    let snapshot = until(&startup, |snapshot| snapshot.phase == Phase::Done).await;
    assert!(snapshot.ready && snapshot.failure.is_none());
    assert_eq!(remaining(&database).await, 0);
}

/// A server that is away for a moment after the migrations.
struct Away(Direct<NoTls>, AtomicU32);

#[async_trait]
impl Connect for Away {
    async fn connect(&self) -> Result<Connection, Error> {
        // The run's own is the first, and its backfill's.
        match self.1.fetch_add(1, Ordering::Relaxed) {
            1..=2 => Err(Error::no_connection("it is away")),
            _ => self.0.connect().await,
        }
    }
}

#[tokio::test]
async fn a_server_that_is_away_for_a_moment_leaves_the_service_ready() {
    let database = people().await;
    let startup = Startup::new(Away(connect(&database), AtomicU32::new(0)), fill()).start();
    let waiting =
        until(&startup, |snapshot| snapshot.events.iter().any(|event| event.what == "waiting")).await;
    assert_eq!((waiting.phase, waiting.ready), (Phase::Backfilling, true));
    until(&startup, |snapshot| {
        assert!(snapshot.ready, "{:?}", snapshot.phase);
        snapshot.phase == Phase::Done
    })
    .await;
    assert_eq!(remaining(&database).await, 0);
}
