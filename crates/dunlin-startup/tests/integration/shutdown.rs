//! How a start is ended half way.

use std::time::{Duration, Instant};

use dunlin_core::{MigrationSet, Migrator};
use dunlin_startup::{Phase, Startup};

use crate::support::{Gate, Held, connect, database, left_behind, texts, until};

#[tokio::test]
async fn it_stops_between_two_migrations_and_the_next_one_goes_on() {
    let (database, gate) = (database().await, Gate::new());
    let set = || {
        let set = MigrationSet::builder().rust(1, "held", Held(gate.clone()));
        Migrator::new(set.sql(2, "after", "CREATE TABLE after (id int)").build().unwrap())
    };
    let startup = Startup::new(connect(&database), set()).grace(Duration::from_secs(30)).start();
    gate.reached().await;
    let stopping = {
        let startup = startup.clone();
        tokio::spawn(async move { startup.shutdown().await })
    };
    until(&startup, |snapshot| snapshot.phase == Phase::Stopping && !snapshot.ready).await;
    gate.open();
    stopping.await.unwrap();
    assert_eq!(startup.phase(), Phase::Stopped);
    let client = database.connect().await.unwrap();
    let sql =
        "SELECT string_agg(concat_ws(' ', version, event), ', ' ORDER BY id) FROM dunlin_history_events";
    let events: String = client.query_one(sql, &[]).await.unwrap().get(0);
    assert_eq!(events, "1 applied, 2 stopped");
    assert_eq!(left_behind(&client).await, (0, 0));

    let next = Startup::new(connect(&database), set()).start();
    next.wait_ready().await.unwrap();
    assert_eq!(next.refresh().await.steps.len(), 2);
}

#[tokio::test]
async fn what_does_not_stop_is_cut_off_and_leaves_no_lock_and_no_transaction() {
    let database = database().await;
    let set = || Migrator::new(texts(&["CREATE TABLE a (id int)", "SELECT pg_sleep(600)"]));
    let startup = Startup::new(connect(&database), set()).grace(Duration::from_millis(100)).start();
    let client = database.connect().await.unwrap();
    let sleeping =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
    while client.query_one(sleeping, &[]).await.unwrap().get::<_, i64>(0) == 0 {}
    let began = Instant::now();
    startup.shutdown().await;
    assert!(began.elapsed() < Duration::from_secs(2));
    assert_eq!(startup.phase(), Phase::Stopped);
    assert_eq!(left_behind(&client).await, (0, 0));
    let applied: i64 = client.query_one("SELECT count(*) FROM dunlin_history", &[]).await.unwrap().get(0);
    assert_eq!(applied, 1);
}

#[tokio::test]
async fn whoever_lets_go_of_it_ends_it() {
    let (database, gate) = (database().await, Gate::new());
    let set = MigrationSet::builder().rust(1, "held", Held(gate.clone())).build().unwrap();
    let startup = Startup::new(connect(&database), Migrator::new(set)).start();
    gate.reached().await;
    drop(startup);
    let client = database.connect().await.unwrap();
    assert_eq!(left_behind(&client).await, (0, 0));
}

#[tokio::test]
async fn a_service_that_was_ready_is_not_from_the_moment_it_is_told_to_end() {
    let database = database().await;
    let startup =
        Startup::new(connect(&database), Migrator::new(texts(&["CREATE TABLE a (id int)"]))).start();
    startup.wait_ready().await.unwrap();
    startup.shutdown().await;
    assert!(!startup.is_ready());
    assert_eq!(startup.wait_ready().await.unwrap_err().phase(), Phase::Stopping);
    // Once more is as good as once.
    startup.shutdown().await;
}
