//! What others hold or have left behind: locks, transactions, indexes, partitions.

use std::time::{Duration, Instant};

use dunlin::diagnosis::{Answer, InvalidIndexKind, Severity, Subject};
use dunlin::{Diagnosis, Migrator};
use dunlin_test::Server;
use futures_util::future::join;
use tests::database;
use tokio_postgres::{Client, NoTls};

use super::{PATIENCE, about, diagnose, drop_role, found, migrator, prepared, stranger, until};
use crate::scene::{Scene, TABLE, WRITER};
use crate::support::{outside, run, texts};

#[tokio::test]
async fn f10_the_holder_of_the_lock_is_named() {
    let (database, client) = prepared().await;
    let holder = database.connect().await.unwrap();
    let (class, key) = lock_key().await;
    let pid: i32 = holder.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let lock = format!("SET application_name = 'orders 1.4'; SELECT pg_advisory_lock({class}, {key})");
    holder.batch_execute(&lock).await.unwrap();

    let diagnosis = diagnose(&client).await;
    let known = diagnosis.lock_holder().known().unwrap().clone().unwrap();
    assert_eq!((known.pid(), known.application(), known.prepared()), (Some(pid), Some("orders 1.4"), None));
    let (severity, said) = found(&diagnosis, Subject::Lock);
    assert_eq!(severity, Severity::Note);
    assert!(
        said.starts_with(&format!("somebody holds the migration lock: pid {pid}, application `orders")),
        "{said}"
    );
    assert!(
        said.ends_with(&format!(": wait for it, or end it with `SELECT pg_terminate_backend({pid})`")),
        "{said}"
    );
    // Longer than a run would wait.
    let impatient = migrator().deadline(Duration::ZERO);
    let is_old = |diagnosis: &Diagnosis| found(diagnosis, Subject::Lock).0 == Severity::Warning;
    until(|| impatient.diagnose_on(&client, None), is_old).await;
}

#[tokio::test]
async fn f16_a_prepared_transaction_that_holds_the_lock_is_a_problem() {
    let server = server_with_prepared_transactions().await;
    let database = server.create_database().await.unwrap();
    let client = database.connect().await.unwrap();
    let (class, key) = lock_key().await;
    client.batch_execute("BEGIN; CREATE TABLE half (id int)").await.unwrap();
    client.batch_execute("PREPARE TRANSACTION 'it''s half'").await.unwrap();
    let diagnosis = diagnose(&client).await;
    let (severity, said) = found(&diagnosis, Subject::PreparedTransaction);
    assert_eq!((severity, diagnosis.lock_holder()), (Severity::Note, &Answer::Known(None)));
    assert!(said.contains("`ROLLBACK PREPARED 'it''s half'`"), "{said}");

    let lock = format!("BEGIN; SELECT pg_advisory_xact_lock({class}, {key})");
    client.batch_execute(&lock).await.unwrap();
    client.batch_execute("PREPARE TRANSACTION 'orphan'").await.unwrap();
    let diagnosis = diagnose(&client).await;
    assert!(!diagnosis.is_healthy());
    let (severity, said) = found(&diagnosis, Subject::Lock);
    assert_eq!(severity, Severity::Problem);
    assert!(said.starts_with("a prepared transaction `orphan` of "), "{said}");
    assert!(said.ends_with("`ROLLBACK PREPARED 'orphan'`"), "{said}");
    assert_eq!(diagnosis.lock_holder().known().unwrap().as_ref().unwrap().prepared(), Some("orphan"));
    assert_eq!(diagnosis.prepared_transactions().known().unwrap().len(), 2);
    client.batch_execute("ROLLBACK PREPARED 'orphan'").await.unwrap();
    client.batch_execute("ROLLBACK PREPARED 'it''s half'").await.unwrap();
    assert_eq!(diagnose(&client).await.lock_holder(), &Answer::Known(None));
}

#[tokio::test]
async fn f31_an_invalid_index_is_mended_as_advised() {
    let (_database, client) = prepared().await;
    client.batch_execute("CREATE TABLE \"Odd\" (id int); INSERT INTO \"Odd\" VALUES (1), (1)").await.unwrap();
    client.batch_execute("CREATE UNIQUE INDEX CONCURRENTLY \"Odd ids\" ON \"Odd\" (id)").await.unwrap_err();
    let diagnosis = diagnose(&client).await;
    let [index] = &diagnosis.invalid_indexes().known().unwrap()[..] else { panic!("{diagnosis}") };
    assert_eq!((index.name(), index.table()), ("public.\"Odd ids\"", "public.\"Odd\""));
    assert_eq!((index.kind(), index.worker()), (InvalidIndexKind::Unfinished, None));
    let (severity, said) = found(&diagnosis, Subject::Index);
    assert_eq!(severity, Severity::Warning);
    assert!(said.ends_with("`REINDEX INDEX CONCURRENTLY public.\"Odd ids\"`"), "{said}");
    client.batch_execute("TRUNCATE \"Odd\"").await.unwrap();
    client
        .batch_execute("UPDATE pg_index SET indisvalid = false WHERE indrelid = '\"Odd\"'::regclass")
        .await
        .unwrap();
    client.batch_execute(&index.mend().unwrap()).await.unwrap();
    assert!(about(&diagnose(&client).await, Subject::Index).is_empty());
}

#[tokio::test]
async fn f31_an_invalid_index_of_a_half_applied_migration_is_left_to_it() {
    let scene = Scene::new(TABLE).await;
    scene.block(WRITER).await;
    let statement = "-- dunlin: statement-timeout = 300ms\nCREATE INDEX CONCURRENTLY a_id ON a (id)";
    scene.run(statement).await.unwrap_err();
    assert_eq!(scene.invalid().await, ["a_id"]);
    let diagnosis =
        Migrator::new(texts(&[&outside(statement)])).diagnose_on(&scene.client, None).await.unwrap();
    let (_, text) = found(&diagnosis, Subject::Index);
    assert!(text.contains("run again if it is the half applied migration's"), "{text}");
    scene.again(statement).await;
}

#[tokio::test]
async fn f25_f32_an_index_that_was_given_up_last_has_its_size_and_rejects_duplicates() {
    let (database, client) = prepared().await;
    let (builder, reader) = (database.connect().await.unwrap(), database.connect().await.unwrap());
    client.batch_execute("CREATE TABLE n AS SELECT generate_series(1, 1000) AS id").await.unwrap();
    reader.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1").await.unwrap();
    let waits = "SELECT FROM pg_stat_progress_create_index \
                 WHERE datname = current_database() AND phase = 'waiting for old snapshots'";
    let build = "CREATE UNIQUE INDEX CONCURRENTLY ids ON n (id)";
    join(builder.batch_execute(build), cancel_when(&client, &builder, waits)).await.0.unwrap_err();
    let diagnosis = diagnose(&client).await;
    let [index] = &diagnosis.invalid_indexes().known().unwrap()[..] else { panic!("{diagnosis}") };
    let size: i64 = client.query_one("SELECT pg_relation_size('ids')", &[]).await.unwrap().get(0);
    assert!(size > 0);
    assert_eq!(index.bytes(), Some(u64::try_from(size).unwrap()));
    assert!(index.rejects_duplicates() && index.worker().is_none());
    assert!(
        found(&diagnosis, Subject::Index).1.contains(" kB) is invalid; it rejects duplicates all the same")
    );
    client.batch_execute("INSERT INTO n VALUES (1)").await.unwrap_err();
}

#[tokio::test]
async fn an_index_that_is_being_built_is_not_to_be_mended() {
    let (database, client) = prepared().await;
    let (builder, writer) = (database.connect().await.unwrap(), database.connect().await.unwrap());
    let pid: i32 = builder.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    writer.batch_execute("BEGIN; INSERT INTO t1 VALUES (1, 'a')").await.unwrap();
    let (name, stranger) = stranger(&database, &client).await;
    let build = builder.batch_execute("CREATE INDEX CONCURRENTLY slow ON t1 (id)");
    let look = async {
        // A role that may not look at other sessions knows it from the locks.
        for client in [&client, &stranger] {
            let is_there = |diagnosis: &Diagnosis| !diagnosis.invalid_indexes().known().unwrap().is_empty();
            let migrator = migrator();
            let diagnosis = until(|| migrator.diagnose_on(client, None), is_there).await;
            let [index] = &diagnosis.invalid_indexes().known().unwrap()[..] else { panic!("{diagnosis}") };
            assert_eq!(index.worker(), Some(pid), "{diagnosis}");
            assert_eq!(found(&diagnosis, Subject::Index).0, Severity::Note);
        }
        writer.batch_execute("COMMIT").await.unwrap();
    };
    join(build, look).await.0.unwrap();
    assert!(about(&diagnose(&client).await, Subject::Index).is_empty());
    drop_role(&client, &name).await;
}

#[tokio::test]
async fn f33_what_reindex_leaves_behind_is_dropped_as_advised() {
    let (_database, client) = prepared().await;
    client.batch_execute("CREATE TABLE r (id int); CREATE UNIQUE INDEX ids ON r (id)").await.unwrap();
    // Duplicates come in where the index is taken for invalid, and stop its copy.
    client
        .batch_execute("UPDATE pg_index SET indisready = false WHERE indexrelid = 'ids'::regclass")
        .await
        .unwrap();
    client.batch_execute("INSERT INTO r VALUES (1), (1)").await.unwrap();
    client
        .batch_execute("UPDATE pg_index SET indisready = true WHERE indexrelid = 'ids'::regclass")
        .await
        .unwrap();
    client.batch_execute("REINDEX INDEX CONCURRENTLY ids").await.unwrap_err();
    let diagnosis = diagnose(&client).await;
    let [index] = &diagnosis.invalid_indexes().known().unwrap()[..] else { panic!("{diagnosis}") };
    assert_eq!((index.name(), index.kind()), ("public.ids_ccnew", InvalidIndexKind::Leftover));
    assert_eq!(found(&diagnosis, Subject::Index).0, Severity::Warning);
    client.batch_execute(&index.mend().unwrap()).await.unwrap();
    assert!(about(&diagnose(&client).await, Subject::Index).is_empty());
}

#[tokio::test]
async fn f33_an_interrupted_drop_index_is_ended_as_advised() {
    let (database, client) = prepared().await;
    let dropper = database.connect().await.unwrap();
    let readers = [database.connect().await.unwrap(), database.connect().await.unwrap()];
    client.batch_execute("CREATE INDEX gone ON t1 (id)").await.unwrap();
    readers[0].batch_execute("BEGIN; SELECT id FROM t1").await.unwrap();
    let index = |what| format!("SELECT FROM pg_index WHERE indexrelid = 'gone'::regclass AND NOT {what}");
    let migrator = migrator();
    let interrupt = async {
        // It waits for the readers twice: before nobody writes into the index any more, and after.
        when(&client, &index("indisvalid")).await;
        readers[1].batch_execute("BEGIN; SELECT id FROM t1").await.unwrap();
        readers[0].batch_execute("COMMIT").await.unwrap();
        let said =
            until(|| migrator.diagnose_on(&client, None), |d| !about(d, Subject::Index).is_empty()).await;
        assert_eq!(found(&said, Subject::Index).0, Severity::Note, "somebody works on it");
        cancel_when(&client, &dropper, &index("indislive")).await;
    };
    join(dropper.batch_execute("DROP INDEX CONCURRENTLY gone"), interrupt).await.0.unwrap_err();
    readers[1].batch_execute("COMMIT").await.unwrap();
    let diagnosis = diagnose(&client).await;
    let [index] = &diagnosis.invalid_indexes().known().unwrap()[..] else { panic!("{diagnosis}") };
    assert_eq!((index.name(), index.kind()), ("public.gone", InvalidIndexKind::Dropping));
    assert_eq!(found(&diagnosis, Subject::Index).0, Severity::Warning);
    client.batch_execute(&index.mend().unwrap()).await.unwrap();
    assert!(about(&diagnose(&client).await, Subject::Index).is_empty());
}

#[tokio::test]
async fn an_index_of_a_partitioned_table_waits_for_its_parts() {
    let (_database, client) = prepared().await;
    let partitioned = "CREATE TABLE m (id int) PARTITION BY LIST (id); CREATE TABLE m1 PARTITION OF m FOR VALUES IN (1); \
                       CREATE INDEX ids ON ONLY m (id)";
    client.batch_execute(partitioned).await.unwrap();
    let diagnosis = diagnose(&client).await;
    let (severity, said) = found(&diagnosis, Subject::Index);
    assert_eq!(severity, Severity::Warning);
    assert!(said.contains("ATTACH PARTITION"), "{said}");
    client
        .batch_execute("CREATE INDEX ids1 ON m1 (id); ALTER INDEX ids ATTACH PARTITION ids1")
        .await
        .unwrap();
    assert!(about(&diagnose(&client).await, Subject::Index).is_empty());
}

#[tokio::test]
async fn f33_a_pending_detach_is_finalized_as_advised() {
    let (database, client) = prepared().await;
    if database.server().version_num() < 140_000 {
        assert_eq!(diagnose(&client).await.pending_detaches(), &Answer::Known(Vec::new()));
        return;
    }
    let partitioned = "CREATE TABLE m (id int) PARTITION BY LIST (id); CREATE TABLE \"m 1\" PARTITION OF m FOR VALUES IN (1)";
    client.batch_execute(partitioned).await.unwrap();
    let reader = database.connect().await.unwrap();
    reader.batch_execute("BEGIN; SELECT id FROM m").await.unwrap();
    let detacher = database.connect().await.unwrap();
    let detach = detacher.batch_execute("ALTER TABLE m DETACH PARTITION \"m 1\" CONCURRENTLY");
    let pending = "SELECT FROM pg_inherits WHERE inhdetachpending";
    join(detach, cancel_when(&client, &detacher, pending)).await.0.unwrap_err();
    reader.batch_execute("COMMIT").await.unwrap();
    let diagnosis = diagnose(&client).await;
    let [detach] = &diagnosis.pending_detaches().known().unwrap()[..] else { panic!("{diagnosis}") };
    assert_eq!((detach.parent(), detach.partition()), ("public.m", "public.\"m 1\""));
    assert_eq!(found(&diagnosis, Subject::Partition).0, Severity::Warning);
    client.batch_execute(&detach.mend()).await.unwrap();
    assert!(about(&diagnose(&client).await, Subject::Partition).is_empty());
}

#[tokio::test]
async fn a_transaction_that_is_open_for_long_is_told_without_its_text() {
    let (database, client) = prepared().await;
    let other = database.connect().await.unwrap();
    let pid: i32 = other.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    other.batch_execute("SET application_name = 'reports'").await.unwrap();
    other.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 'a secret'").await.unwrap();
    let migrator = migrator();
    let is_seen = |diagnosis: &Diagnosis| !diagnosis.open_transactions().known().unwrap().open().is_empty();
    let diagnosis = until(|| migrator.diagnose_on(&client, None), is_seen).await;
    let [open] = diagnosis.open_transactions().known().unwrap().open() else { panic!("{diagnosis}") };
    assert_eq!((open.pid(), open.state(), open.holds_snapshot()), (pid, Some("idle in transaction"), true));
    let (severity, said) = found(&diagnosis, Subject::Transaction);
    assert_eq!(severity, Severity::Note);
    assert!(said.contains("application `reports`, idle in transaction"), "{said}");
    assert!(!diagnosis.to_string().contains("secret"));
}

/// Waits until a query returns a row.
async fn when(client: &Client, query: &str) {
    let began = Instant::now();
    while client.query(query, &[]).await.unwrap().is_empty() {
        assert!(began.elapsed() < PATIENCE, "never: {query}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Interrupts what a session does once a query returns a row.
async fn cancel_when(client: &Client, session: &Client, query: &str) {
    when(client, query).await;
    session.cancel_token().cancel_query(NoTls).await.unwrap();
}

/// The keys of the default history's lock, as a migration sees them that runs under it.
async fn lock_key() -> (i32, i32) {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let keys = "CREATE TABLE keys AS SELECT classid::bigint AS class, objid::bigint AS key FROM pg_locks \
                WHERE locktype = 'advisory' AND pid = pg_backend_pid()";
    run(&mut client, texts(&[keys])).await.unwrap();
    let row = client.query_one("SELECT DISTINCT class, key FROM keys", &[]).await.unwrap();
    let key = |column| {
        let key: i64 = row.get(column);
        i32::from_ne_bytes(u32::try_from(key).unwrap().to_ne_bytes())
    };
    (key(0), key(1))
}

/// A server of its own, whose transactions can be prepared.
async fn server_with_prepared_transactions() -> Server {
    Server::builder().setting("max_prepared_transactions", "4").start().await.unwrap()
}
