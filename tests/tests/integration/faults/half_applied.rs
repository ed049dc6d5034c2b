//! C. Half-applied, non-transactional.

use dunlin::Migrator;
use tests::database;
use tokio_postgres::{Client, NoTls};

use super::until;
use crate::support::{history, run, texts};

const INDEX: &str = "-- dunlin: no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY t_id ON t (id)";

/// Whether the index is there, but not to be used.
const INVALID: &str =
    "SELECT count(*) = 1 FROM pg_index WHERE indexrelid = to_regclass('t_id') AND NOT indisvalid";

async fn is_valid(client: &Client) -> bool {
    let sql = "SELECT count(*) = 1 FROM pg_index WHERE indexrelid = to_regclass('t_id') AND indisvalid";
    client.query_one(sql, &[]).await.unwrap().get(0)
}

/// Lets somebody end the building of the index, in the middle of it, with a function of the server's; the rows that are
/// written meanwhile keep it from its end until then. Then runs again.
async fn interrupted(function: &str) {
    let database = database().await;
    let (client, writer) = (database.connect().await.unwrap(), database.connect().await.unwrap());
    client.batch_execute("CREATE TABLE t (id int); INSERT INTO t VALUES (1)").await.unwrap();
    writer.batch_execute("BEGIN; INSERT INTO t VALUES (2)").await.unwrap();
    let (config, migrator) = (database.config(), Migrator::new(texts(&["SELECT 1", INDEX])));
    let task = {
        let (config, migrator) = (config.clone(), migrator.clone());
        tokio::spawn(async move { dunlin::migrate(&config, NoTls, &migrator).await })
    };
    until(&client, INVALID).await;
    let end = format!(
        "SELECT {function}(pid) FROM pg_stat_activity WHERE query LIKE '%CREATE UNIQUE INDEX CONCURRENTLY%' \
         AND datname = current_database() AND pid <> pg_backend_pid()"
    );
    client.execute(&end, &[]).await.unwrap();
    writer.batch_execute("COMMIT").await.unwrap();
    // Whether the run recovers by itself or leaves it to the next.
    if task.await.unwrap().is_err() {
        dunlin::migrate(&config, NoTls, &migrator).await.unwrap();
    }
    assert!(is_valid(&client).await);
    assert_eq!(history(&client).await, "1 applied, 2 applied");
    client.batch_execute("INSERT INTO t VALUES (2)").await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f31_a_concurrent_index_that_was_cancelled_is_built_anew() {
    interrupted("pg_cancel_backend").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f31_a_concurrent_index_whose_backend_was_terminated_is_built_anew() {
    interrupted("pg_terminate_backend").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f31_a_concurrent_index_that_met_a_deadlock_is_built_anew() {
    let database = database().await;
    let (client, other) = (database.connect().await.unwrap(), database.connect().await.unwrap());
    client.batch_execute("CREATE TABLE t (id int); CREATE TABLE u (id int)").await.unwrap();
    // It waits for this transaction, which then wants what it has. It is the index that looks for a deadlock.
    let patience = format!("ALTER DATABASE \"{}\" SET deadlock_timeout = '5s'", database.name());
    client.batch_execute(&patience).await.unwrap();
    other.batch_execute("SET deadlock_timeout = '10min'; BEGIN; INSERT INTO t VALUES (1)").await.unwrap();
    let (config, migrator) = (database.config(), Migrator::new(texts(&["SELECT 1", INDEX])));
    let task = tokio::spawn(async move { dunlin::migrate(&config, NoTls, &migrator).await });
    until(&client, INVALID).await;
    other.batch_execute("LOCK TABLE t IN SHARE UPDATE EXCLUSIVE MODE; COMMIT").await.unwrap();
    let report = task.await.unwrap().unwrap();
    assert!(report.retries() > 0, "{report}");
    assert!(is_valid(&client).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f36_a_lock_timeout_does_not_reach_a_concurrent_index() {
    let database = database().await;
    let (client, writer) = (database.connect().await.unwrap(), database.connect().await.unwrap());
    client
        .batch_execute(&format!("ALTER DATABASE \"{}\" SET lock_timeout = '50ms'", database.name()))
        .await
        .unwrap();
    client.batch_execute("CREATE TABLE t (id int)").await.unwrap();
    writer.batch_execute("BEGIN; INSERT INTO t VALUES (1)").await.unwrap();
    let (config, migrator) = (database.config(), Migrator::new(texts(&["SELECT 1", INDEX])));
    let migrator = migrator.lock_timeout(std::time::Duration::from_millis(50));
    let run = tokio::spawn(async move { dunlin::migrate(&config, NoTls, &migrator).await });
    until(&client, INVALID).await;
    let waits = "SELECT coalesce(max(clock_timestamp() - query_start) > '500ms', false) FROM pg_stat_activity \
                 WHERE query LIKE '%CREATE UNIQUE INDEX CONCURRENTLY%' AND datname = current_database() \
                 AND pid <> pg_backend_pid() AND wait_event_type = 'Lock'";
    until(&client, waits).await;
    writer.batch_execute("COMMIT").await.unwrap();
    let report = run.await.unwrap().unwrap();
    assert_eq!((report.applied().count(), report.retries()), (2, 0));
    assert!(is_valid(&client).await);
}

#[tokio::test]
async fn f37_an_enum_value_used_where_it_was_added_is_an_error_with_advice() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let mood = "CREATE TYPE mood AS ENUM ('calm'); CREATE TABLE t (mood mood)";
    let (add, used) = ("ALTER TYPE mood ADD VALUE 'wild'", "INSERT INTO t VALUES ('wild')");
    let error = run(&mut client, texts(&[mood, &format!("{add}; {used}")])).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "55P04");
    assert!(error.to_string().contains("move its use to the next migration"), "{error}");
    assert_eq!(run(&mut client, texts(&[mood, add, used])).await.unwrap().applied().count(), 2);
}
