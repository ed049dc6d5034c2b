//! Runs that are asked to stop.

use std::time::Duration;

use dunlin::{
    BoxError, Context, ErrorKind, MigrationSet, Migrator, Progress, Report, RustMigration, Stop, Target,
    TransactionPolicy,
};
use tests::{Proxy, database};
use tokio_postgres::NoTls;

use crate::support::{events, exists, history, left_behind, outside, texts};

/// Asks its own run to stop.
struct Asks;

impl RustMigration for Asks {
    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        cx.client().batch_execute("CREATE TABLE asked (id int)").await?;
        cx.stop().stop();
        Ok(())
    }
}

/// Stops when it is asked to, as a hook that takes long should.
struct Obeys;

impl RustMigration for Obeys {
    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        cx.client().batch_execute("CREATE TABLE obeyed (id int)").await?;
        cx.stop().stop();
        Ok(cx.stop().check()?)
    }
}

fn asking() -> MigrationSet {
    let set = MigrationSet::builder().sql(1, "first", "CREATE TABLE first (id int)").rust(2, "asks", Asks);
    set.sql(3, "last", "CREATE TABLE last (id int)").build().unwrap()
}

#[tokio::test]
async fn a_run_stops_between_two_flights_and_says_where_the_next_one_goes_on() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let error = Migrator::new(asking()).run(&mut client, Target::Latest).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped);
    insta::assert_snapshot!(error, @"the run was asked to stop before migration 3 (last) was done: the next one goes on there (2 migrations were done before it)");
    assert_eq!(history(&client).await, "1 applied, 2 applied");
    assert_eq!(events(&client).await, "1 applied, 2 applied, 3 stopped");
    assert_eq!(left_behind(&client).await, (0, 0));

    // What was applied is announced: a program that knows no more boots in one flight.
    let two = MigrationSet::builder().sql(1, "first", "CREATE TABLE first (id int)").rust(2, "asks", Asks);
    let report = Migrator::new(two.build().unwrap()).run(&mut client, Target::Latest).await.unwrap();
    assert_eq!(report.flights(), 1);
    let report = Migrator::new(asking()).run(&mut client, Target::Latest).await.unwrap();
    assert_eq!(report.applied().count(), 1);
}

#[tokio::test]
async fn a_run_of_all_or_nothing_that_is_stopped_leaves_nothing() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let migrator = Migrator::new(asking()).transaction(TransactionPolicy::AllOrNothing);
    let error = migrator.run(&mut client, Target::Latest).await.unwrap_err();
    assert_eq!((error.kind(), error.report().applied().count()), (ErrorKind::Stopped, 0));
    assert!(!exists(&client, "first").await && !exists(&client, "asked").await);
    assert_eq!(history(&client).await, "");
    assert_eq!(left_behind(&client).await, (0, 0));
}

#[tokio::test]
async fn a_hook_that_obeys_is_undone_and_called_again_by_the_next_run() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let set = || MigrationSet::builder().rust(1, "obeys", Obeys).build().unwrap();
    let error = Migrator::new(set()).run(&mut client, Target::Latest).await.unwrap_err();
    assert_eq!((error.kind(), error.migration().unwrap().version()), (ErrorKind::Stopped, 1));
    assert!(!exists(&client, "obeyed").await);
    assert_eq!(left_behind(&client).await, (0, 0));
}

#[tokio::test]
async fn outside_a_transaction_a_run_stops_between_two_statements_and_the_next_one_goes_on_there() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    client.batch_execute("CREATE TABLE effects (id int)").await.unwrap();
    let inserts = |_| "INSERT INTO effects VALUES (1)";
    let text = outside(&[1, 2, 3, 4].map(inserts).join(";\n"));
    let stop = Stop::new();
    let asked = stop.clone();
    let migrator = Migrator::new(texts(&[&text])).stop_on(&stop).on_progress(move |progress| {
        if let Progress::Statement { number: 2, of, .. } = progress {
            assert_eq!(of, 4);
            asked.stop();
        }
    });
    let error = migrator.run(&mut client, Target::Latest).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stopped);
    assert_eq!(history(&client).await, "1 running");
    assert_eq!(events(&client).await, "1 started, 1 stopped");
    let effects = "SELECT count(*) FROM effects";
    assert_eq!(client.query_one(effects, &[]).await.unwrap().get::<_, i64>(0), 2);
    assert_eq!(left_behind(&client).await, (0, 0));

    Migrator::new(texts(&[&text])).run(&mut client, Target::Latest).await.unwrap();
    assert_eq!(client.query_one(effects, &[]).await.unwrap().get::<_, i64>(0), 4);
    assert_eq!(history(&client).await, "1 applied");
}

#[tokio::test]
async fn a_run_that_waits_for_the_lock_stops_at_once() {
    let database = database().await;
    let holder = database.connect().await.unwrap();
    // What a run holds: the lock's key is the first half of a digest of the history's name.
    let text = outside("SELECT pg_sleep(60)");
    let (config, set) = (database.config(), texts(&[&text]));
    let working = tokio::spawn(async move { dunlin::migrate(&config, NoTls, &Migrator::new(set)).await });
    let sleeping =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
    while holder.query_one(sleeping, &[]).await.unwrap().get::<_, i64>(0) == 0 {}

    let stop = Stop::new();
    let asked = stop.child();
    let migrator = Migrator::new(texts(&[&text])).stop_on(&asked).on_progress(move |progress| {
        if let Progress::WaitingForLock { .. } = progress {
            stop.stop();
        }
    });
    let config = database.config();
    let waiting = dunlin::migrate(&config, NoTls, &migrator);
    let error = tokio::time::timeout(Duration::from_secs(10), waiting).await.unwrap().unwrap_err();
    insta::assert_snapshot!(error, @"the run was asked to stop before it had begun with a migration: the next one goes on there");
    working.abort();
}

#[tokio::test]
async fn a_run_that_can_not_reach_the_server_stops_at_once() {
    let database = database().await;
    let proxy = Proxy::start(&database.config()).await;
    // Nobody answers there.
    let mut config = proxy.config();
    config.port(1);
    let stop = Stop::new();
    stop.stop();
    let migrator = Migrator::new(texts(&["SELECT 1"])).stop_on(&stop);
    let outcome: Result<Report, _> = dunlin::migrate(&config, NoTls, &migrator).await;
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Stopped);
}
