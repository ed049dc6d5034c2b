//! E. Blocking production.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use dunlin::{Migrator, Target};
use tests::database;
use tokio_postgres::NoTls;

use super::{BLOCKED, until};
use crate::support::{history, run, texts};

const TABLES: &str = "CREATE TABLE a (id int); CREATE TABLE b (id int)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f55_traffic_goes_on_while_a_migration_waits_for_a_long_transaction() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    run(&mut client, texts(&[TABLES])).await.unwrap();
    let reader = database.connect().await.unwrap();
    reader.batch_execute("BEGIN; SELECT count(*) FROM a").await.unwrap();

    let over = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for _ in 0..4 {
        let (writer, over) = (database.connect().await.unwrap(), Arc::clone(&over));
        writers.push(tokio::spawn(async move {
            let mut longest = Duration::ZERO;
            while !over.load(Ordering::Relaxed) {
                let began = Instant::now();
                writer.batch_execute("INSERT INTO a VALUES (1)").await.unwrap();
                longest = longest.max(began.elapsed());
            }
            longest
        }));
    }
    let (config, migrator) =
        (database.config(), Migrator::new(texts(&[TABLES, "ALTER TABLE a ADD name text"])));
    let migration = tokio::spawn(async move { dunlin::migrate(&config, NoTls, &migrator).await });
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert!(!migration.is_finished(), "the reader is in its way");
    reader.batch_execute("COMMIT").await.unwrap();
    let report = migration.await.unwrap().unwrap();
    over.store(true, Ordering::Relaxed);
    let mut longest = Duration::ZERO;
    for writer in writers {
        longest = longest.max(writer.await.unwrap());
    }
    assert!(report.retries() > 0, "{report}");
    // A try of 200 ms and some luck of the machine; a plain ALTER TABLE would have stopped them for the four seconds.
    assert!(longest < Duration::from_secs(2), "{longest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f56_a_deadlock_with_the_application_is_the_migration_s_to_lose_and_to_try_again() {
    let database = database().await;
    let (mut client, application) = (database.connect().await.unwrap(), database.connect().await.unwrap());
    run(&mut client, texts(&[TABLES])).await.unwrap();
    let patience = format!("ALTER DATABASE \"{}\" SET deadlock_timeout = '2s'", database.name());
    client.batch_execute(&patience).await.unwrap();
    application
        .batch_execute("SET deadlock_timeout = '10min'; BEGIN; INSERT INTO b VALUES (1)")
        .await
        .unwrap();
    let crossed = "ALTER TABLE a ADD name text; ALTER TABLE b ADD name text";
    let migrator = Migrator::new(texts(&[TABLES, crossed])).lock_timeout(Duration::from_secs(60));
    let config = database.config();
    let migration = tokio::spawn(async move { dunlin::migrate(&config, NoTls, &migrator).await });
    until(&client, BLOCKED).await;
    // It has `a` and waits for `b`; we have `b` and wait for `a`.
    application.batch_execute("INSERT INTO a VALUES (1); COMMIT").await.unwrap();
    let report = migration.await.unwrap().unwrap();
    assert_eq!(report.applied().count(), 1);
    assert!(report.retries() > 0, "{report}");
    assert_eq!(history(&client).await, "1 applied, 2 applied");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f56_with_a_short_lock_timeout_it_does_not_come_to_a_deadlock() {
    let database = database().await;
    let (mut client, application) = (database.connect().await.unwrap(), database.connect().await.unwrap());
    run(&mut client, texts(&[TABLES])).await.unwrap();
    application.batch_execute("BEGIN; INSERT INTO b VALUES (1)").await.unwrap();
    let crossed = "ALTER TABLE a ADD name text; ALTER TABLE b ADD name text";
    let migrator = Migrator::new(texts(&[TABLES, crossed]));
    let config = database.config();
    let migration = tokio::spawn(async move {
        let mut client = config.connect(NoTls).await.map(|(client, connection)| {
            tokio::spawn(connection);
            client
        });
        migrator.run(client.as_mut().unwrap(), Target::Latest).await
    });
    until(&client, BLOCKED).await;
    application.batch_execute("INSERT INTO a VALUES (1); COMMIT").await.unwrap();
    migration.await.unwrap().unwrap();
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    assert_eq!(client.query_one(deadlocks, &[]).await.unwrap().get::<_, i64>(0), 0);
}
