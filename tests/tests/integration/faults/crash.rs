//! B. Crash points, cancellation, panics.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use dunlin::{BoxError, Context, ErrorKind, MigrationSet, Migrator, RustMigration};
use dunlin_test::Server;
use tests::database;
use tokio_postgres::config::Host;
use tokio_postgres::{Client, Config, NoTls};

use super::{ASLEEP, PATIENCE, UNLOCKED, signal, until};
use crate::support::{events, exists, history, left_behind, run, texts};

/// Ends the connection that it runs on, the first time: a sequence does not go back.
const DIES_ONCE: &str =
    "SELECT CASE WHEN nextval('shots') = 1 THEN pg_terminate_backend(pg_backend_pid()) END";

/// Runs the set until it has gone well: whether the first run recovers by itself is not what these tests are about.
async fn run_twice(config: &Config, set: &MigrationSet) {
    let migrator = Migrator::new(set.clone());
    if let Err(error) = dunlin::migrate(config, NoTls, &migrator).await {
        assert_eq!(error.kind(), ErrorKind::Connection, "{error:?}");
        dunlin::migrate(config, NoTls, &migrator).await.unwrap();
    }
}

async fn count(client: &Client, from: &str) -> i64 {
    client.query_one(&format!("SELECT count(*) FROM {from}"), &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn f21_what_dies_between_its_ddl_and_its_record_is_done_once() {
    let database = database().await;
    let client = database.connect().await.unwrap();
    client.batch_execute("CREATE SEQUENCE shots; CREATE TABLE effects (id int)").await.unwrap();
    let dies = format!("CREATE TABLE a (id int); INSERT INTO effects VALUES (2); {DIES_ONCE}");
    run_twice(&database.config(), &texts(&["SELECT 1", &dies, "SELECT 3"])).await;
    assert_eq!((count(&client, "effects").await, count(&client, "shots WHERE last_value > 1").await), (1, 1));
    assert_eq!(history(&client).await, "1 applied, 2 applied, 3 applied");
}

#[tokio::test]
async fn f21_what_dies_outside_a_transaction_goes_on_behind_what_is_done() {
    let database = database().await;
    let client = database.connect().await.unwrap();
    client.batch_execute("CREATE SEQUENCE shots; CREATE TABLE effects (id int)").await.unwrap();
    let dies = format!(
        "-- dunlin: no-transaction\nINSERT INTO effects VALUES (1);\n{DIES_ONCE};\nINSERT INTO effects VALUES (3)"
    );
    run_twice(&database.config(), &texts(&[&dies])).await;
    assert_eq!((count(&client, "effects").await, count(&client, "shots WHERE last_value > 1").await), (2, 1));
    assert_eq!(history(&client).await, "1 applied");
}

#[tokio::test]
async fn f24_a_server_that_crashes_under_a_run_is_followed_by_one_that_goes_on() {
    let server = Server::builder().start().await.unwrap();
    let database = server.create_database().await.unwrap();
    let client = database.connect().await.unwrap();
    client.batch_execute("CREATE TABLE t AS SELECT generate_series(1, 1000) AS id").await.unwrap();
    let writer = database.connect().await.unwrap();
    writer.batch_execute("BEGIN; INSERT INTO t VALUES (0)").await.unwrap();

    let set = texts(&[
        "CREATE TABLE a (id int)",
        "-- dunlin: no-transaction\nCREATE INDEX CONCURRENTLY t_id ON t (id)",
    ]);
    let (config, migrator) = (database.config(), Migrator::new(set));
    let run = {
        let (config, migrator) = (config.clone(), migrator.clone());
        tokio::spawn(async move { dunlin::migrate(&config, NoTls, &migrator).await })
    };
    until(&client, "SELECT count(*) > 0 FROM pg_index WHERE NOT indisvalid").await;
    let builder = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%' AND pid <> pg_backend_pid()";
    let pid: i32 = client.query_one(builder, &[]).await.unwrap().get(0);
    // The server ends all the others with it, and starts again.
    signal("KILL", pid);
    let mut outcome = run.await.unwrap();
    drop(writer);
    let began = Instant::now();
    while let Err(error) = outcome {
        // 57P03 until the server has recovered.
        let gone = [ErrorKind::Connection, ErrorKind::Connect, ErrorKind::Database];
        assert!(gone.contains(&error.kind()) && began.elapsed() < PATIENCE, "{error:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
        outcome = dunlin::migrate(&config, NoTls, &migrator).await;
    }
    let client = database.connect().await.unwrap();
    assert_eq!(history(&client).await, "1 applied, 2 applied");
    assert_eq!(count(&client, "pg_index WHERE indexrelid = to_regclass('t_id') AND indisvalid").await, 1);
    assert_eq!(count(&client, "pg_index WHERE NOT indisvalid").await, 0);
    server.stop().await.unwrap();
}

/// A file system of a few megabytes, for as long as the value is there.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one where the server may write; nothing without the privilege.
    fn mount(server: &Server) -> Option<Self> {
        let config = server.config();
        let Some(Host::Unix(folder)) = config.get_hosts().first() else { return None };
        let disk = folder.join("small");
        std::fs::create_dir(&disk).ok()?;
        let owner = std::fs::metadata(folder).ok()?;
        let (uid, gid) =
            (std::os::unix::fs::MetadataExt::uid(&owner), std::os::unix::fs::MetadataExt::gid(&owner));
        let options = format!("size=8m,mode=700,uid={uid},gid={gid}");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&disk).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(disk))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[tokio::test]
async fn f25_a_full_disk_is_told_at_once_and_leaves_nothing() {
    let server = Server::builder().start().await.unwrap();
    let Some(disk) = SmallDisk::mount(&server) else {
        println!("skipped: only root may mount a small disk");
        return;
    };
    let database = server.create_database().await.unwrap();
    let mut client = database.connect().await.unwrap();
    client
        .batch_execute(&format!("CREATE TABLESPACE small LOCATION '{}'", disk.path().display()))
        .await
        .unwrap();
    client
        .batch_execute(
            "CREATE TABLE t AS SELECT repeat(id::text, 20) AS text FROM generate_series(1, 200000) AS id",
        )
        .await
        .unwrap();

    let full =
        "CREATE TABLE big TABLESPACE small AS SELECT repeat('x', 1000) FROM generate_series(1, 100000)";
    let error = run(&mut client, texts(&["SELECT 1", full])).await.unwrap_err();
    assert_eq!((error.code().unwrap().code(), error.report().retries()), ("53100", 0), "{error}");
    assert!(!exists(&client, "big").await);

    let index = "-- dunlin: no-transaction\nCREATE INDEX CONCURRENTLY t_text ON t (text) TABLESPACE small";
    let error = run(&mut client, texts(&["SELECT 1", index])).await.unwrap_err();
    assert_eq!((error.code().unwrap().code(), error.report().retries()), ("53100", 0), "{error}");
    assert!(!exists(&client, "t_text").await, "an invalid index would stay on the full disk");
    assert_eq!(events(&client).await, "1 applied, 2 failed 53100, 2 started, 2 failed 53100");
    assert_eq!(left_behind(&client).await, (0, 0));
    // The server's folder can't be removed while something is mounted there.
    drop(disk);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn f26_too_many_locks_in_one_transaction_are_an_error_with_advice() {
    let server =
        Server::builder().setting("max_locks_per_transaction", "10").setting("max_connections", "10");
    let server = server.start().await.unwrap();
    let database = server.create_database().await.unwrap();
    let mut client = database.connect().await.unwrap();
    let many: String = (0..20_000).map(|n| format!("CREATE TABLE t{n} (id int);\n")).collect();
    let error = run(&mut client, texts(&["SELECT 1", &many])).await.unwrap_err();
    assert_eq!((error.code().unwrap().code(), error.location().is_some()), ("53200", true), "{error}");
    let advice = "too many locks in one transaction may need it split, or a higher max_locks_per_transaction";
    assert!(error.to_string().contains(advice), "{error}");
    assert_eq!((history(&client).await.as_str(), exists(&client, "t0").await), ("1 applied", false));
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f27_a_dropped_migration_of_a_pool_leaves_neither_lock_nor_transaction() {
    if tests::server().await.version_num() < 140_000 {
        println!("skipped: the server does not look after the client of a statement before version 14");
        return;
    }
    let database = database().await;
    let client = database.connect().await.unwrap();
    let manager = deadpool_postgres::Manager::new(database.config(), NoTls);
    let pool = deadpool_postgres::Pool::builder(manager).max_size(1).build().unwrap();
    let migrator = Migrator::new(texts(&["SELECT 1", "CREATE TABLE a (id int); SELECT pg_sleep(600)"]));
    let pooled = pool.clone();
    let task = tokio::spawn(async move { dunlin_deadpool::migrate(&pooled, &migrator).await });
    until(&client, ASLEEP).await;
    task.abort();
    until(&client, UNLOCKED).await;
    assert_eq!(left_behind(&client).await, (0, 0));
    assert_eq!(history(&client).await, "1 applied");
    pool.get().await.unwrap().batch_execute("CREATE TABLE a (id int)").await.unwrap();
}

/// A user's code that goes wrong half way.
struct Panics;

impl RustMigration for Panics {
    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        cx.client().batch_execute("CREATE TABLE half (id int)").await?;
        panic!("a bug in a migration");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f29_a_panic_in_a_migration_leaves_neither_lock_nor_transaction() {
    let database = database().await;
    let client = database.connect().await.unwrap();
    let set = MigrationSet::builder().sql(1, "m1", "SELECT 1").rust(2, "panics", Panics).build().unwrap();
    let manager = deadpool_postgres::Manager::new(database.config(), NoTls);
    let pool = deadpool_postgres::Pool::builder(manager).max_size(1).build().unwrap();
    let (config, migrator) = (database.config(), Migrator::new(set));
    let (pooled, its) = (pool.clone(), migrator.clone());
    let runs = [
        tokio::spawn(async move { dunlin::migrate(&config, NoTls, &migrator).await }),
        tokio::spawn(async move { dunlin_deadpool::migrate(&pooled, &its).await }),
    ];
    for run in runs {
        assert!(run.await.unwrap_err().is_panic());
        until(&client, UNLOCKED).await;
    }
    let idle = "SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() \
                AND state LIKE 'idle in transaction%'";
    until(&client, idle).await;
    assert_eq!((history(&client).await.as_str(), exists(&client, "half").await), ("1 applied", false));
    pool.get().await.unwrap().batch_execute("SELECT 1").await.unwrap();
}

/// A user's code that goes on after an error.
struct Swallows;

impl RustMigration for Swallows {
    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        cx.client().batch_execute("CREATE TABLE made (id int)").await?;
        let _ = cx.client().batch_execute("SELECT 1/0").await;
        Ok(())
    }
}

#[tokio::test]
async fn f30_an_error_that_a_migration_swallows_is_not_recorded_as_success() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let set = MigrationSet::builder().sql(1, "m1", "SELECT 1").rust(2, "swallows", Swallows).build().unwrap();
    let error = run(&mut client, set).await.unwrap_err();
    assert_eq!((error.migration().unwrap().version(), error.code().unwrap().code()), (2, "25P02"), "{error}");
    assert_eq!((history(&client).await.as_str(), exists(&client, "made").await), ("1 applied", false));
    assert_eq!(left_behind(&client).await, (0, 0));
}

#[test]
fn f30b_copy_from_standard_input_is_refused_before_anything_runs() {
    let dump = "CREATE TABLE t (id int);\nCOPY t FROM stdin;\n1\n\\.\n";
    let error = MigrationSet::builder().sql(1, "dump", dump).build().unwrap_err();
    assert_eq!((error.kind(), error.location().unwrap().line()), (ErrorKind::Script, 2));
    insta::assert_snapshot!(error, @"1_dump.up.sql:2:1: `COPY ... FROM STDIN` can't be used in a migration, there is no client to send the data: write `INSERT`s (`pg_dump --inserts` does), or load the data in a Rust migration");
}
