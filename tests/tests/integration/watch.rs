//! What a run sees of itself by another connection: who blocks it, and how far an index is.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use dunlin::{Direct, ErrorKind, Migrator, Progress};
use tests::database;
use tokio_postgres::NoTls;

use crate::support::{left_behind, outside, run, texts, valid};

#[tokio::test]
async fn f55_the_error_names_who_has_blocked_a_migration() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    run(&mut client, texts(&["CREATE TABLE a (id int)"])).await.unwrap();
    client
        .batch_execute("SET application_name = 'nightly report'; BEGIN; SELECT 'secret' FROM a")
        .await
        .unwrap();
    let pid: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);

    let told = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&told);
    let migrator = Migrator::new(texts(&["CREATE TABLE a (id int)", "ALTER TABLE a ADD b int"]))
        .deadline(Duration::from_secs(4))
        .on_progress(move |progress| {
            if let Progress::Retrying { blockers, .. } = progress {
                seen.lock().unwrap().extend(blockers.iter().map(dunlin::Blocker::pid));
            }
        });
    let error = dunlin::migrate(&database.config(), NoTls, &migrator).await.unwrap_err();
    assert_eq!((error.kind(), error.code().unwrap().code()), (ErrorKind::Migration, "55P03"));
    let [blocker] = error.blockers() else { panic!("{error}") };
    assert_eq!((blocker.pid(), blocker.application()), (pid, Some("nightly report")));
    assert_eq!(blocker.state(), Some("idle in transaction"));
    let text = error.to_string();
    let named = format!(
        "; it waited for pid {pid}, application `nightly report`, local, idle in transaction, in its "
    );
    assert!(text.contains(&named) && !text.contains("secret"), "{text}");
    assert!(told.lock().unwrap().contains(&pid));
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(left_behind(&client).await, (0, 0));
}

#[tokio::test]
async fn f36_a_concurrent_index_tells_how_far_it_is_and_whom_it_waits_for() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    run(&mut client, texts(&["CREATE TABLE a (id int)"])).await.unwrap();
    client.batch_execute("BEGIN; INSERT INTO a VALUES (1)").await.unwrap();
    let pid: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let (told, mut waits) = tokio::sync::mpsc::unbounded_channel();
    let set = texts(&["CREATE TABLE a (id int)", &outside("CREATE INDEX CONCURRENTLY a_id ON a (id)")]);
    let migrator = Migrator::new(set).on_progress(move |progress| {
        if let Progress::Building { id, phase, done, total, waits_for, .. } = progress {
            let _ = told.send((id.version(), phase.to_owned(), done, total, waits_for));
        }
    });
    let config = database.config();
    let running = tokio::spawn(async move { dunlin::migrate(&config, NoTls, &migrator).await });
    let seen = tokio::time::timeout(Duration::from_secs(60), waits.recv()).await.unwrap().unwrap();
    assert_eq!(seen, (2, "waiting for writers before build".to_owned(), 0, 1, Some(pid)));
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(running.await.unwrap().unwrap().applied().count(), 1);
    assert_eq!(valid(&client, "a_id").await, Some(true));
}

#[tokio::test]
async fn a_diagnosis_opens_its_own_connections_and_closes_them() {
    let database = database().await;
    let migrator = Migrator::new(texts(&["SELECT 1"]));
    let diagnosis = migrator.diagnose(&Direct::new(database.config(), NoTls)).await.unwrap();
    assert!(diagnosis.is_healthy(), "{diagnosis}");
    let client = database.connect().await.unwrap();
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'";
    while client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) > 1 {}
    let error = migrator.diagnose(&Direct::new("host=/nowhere user=me".parse().unwrap(), NoTls)).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Connect);
}
