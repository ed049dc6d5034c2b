//! Lost connections, and futures that are dropped: the next connection reads what was done and goes on.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dunlin::{BoxError, Context, ErrorKind, MigrationSet, Migrator, Progress, RustMigration, State, Target};
use dunlin_test::Database;
use tests::{Cut, Direction, Fault, Proxy, database};
use tokio_postgres::{Client, NoTls};

use crate::support::{events, exists, history, left_behind, migration, numbered, run, texts};

/// Ends its own backend when it runs for the first time: a sequence does not roll back.
const DIES_ONCE: &str =
    "SELECT CASE WHEN nextval('tries') = 1 THEN pg_terminate_backend(pg_backend_pid()) END";

async fn with_tries() -> (Database, Client) {
    let database = database().await;
    let client = database.connect().await.unwrap();
    client.batch_execute("CREATE SEQUENCE tries").await.unwrap();
    (database, client)
}

async fn tries(client: &Client) -> i64 {
    client.query_one("SELECT last_value FROM tries", &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn f24_a_backend_that_dies_is_replaced_and_the_run_goes_on() {
    let (database, client) = with_tries().await;
    let set =
        texts(&["CREATE TABLE a (id int)", &format!("CREATE TABLE b (id int); {DIES_ONCE}"), "SELECT 3"]);
    let reconnected = Arc::new(Mutex::new(0));
    let counter = Arc::clone(&reconnected);
    let migrator = Migrator::new(set).on_progress(move |progress| {
        if let Progress::Reconnecting { .. } = progress {
            *counter.lock().unwrap() += 1;
        }
    });
    let report = dunlin::migrate(&database.config(), NoTls, &migrator).await.unwrap();
    let applied: Vec<_> = report.applied().map(|done| done.id().version()).collect();
    assert_eq!((applied, report.already_applied()), (vec![1, 2, 3], 0));
    assert_eq!(*reconnected.lock().unwrap(), 1);
    assert_eq!(tries(&client).await, 2);
    assert_eq!(history(&client).await, "1 applied, 2 applied, 3 applied");
    assert_eq!(events(&client).await, "1 applied, 2 applied, 3 applied");
    assert_eq!(left_behind(&client).await, (0, 0));
}

#[tokio::test]
async fn f24_a_migration_that_loses_every_connection_is_not_tried_for_ever() {
    let (database, client) = with_tries().await;
    let set = texts(&["SELECT 1", "SELECT nextval('tries'), pg_terminate_backend(pg_backend_pid())"]);
    let error = dunlin::migrate(&database.config(), NoTls, &Migrator::new(set)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
    // The first time the first migration gets done: that is no reason to give up sooner.
    assert_eq!((tries(&client).await, error.report().applied().count()), (4, 1));
    insta::assert_snapshot!(error, @"the connection was lost (migration 2 (m2)): the history says what was done, run again to go on (one migration was done before it)");
    assert_eq!(history(&client).await, "1 applied");
}

#[tokio::test]
async fn f24_a_statement_outside_a_transaction_is_taken_up_again() {
    let (database, client) = with_tries().await;
    let text = format!(
        "-- dunlin: no-transaction\nCREATE TABLE a (id int); INSERT INTO a VALUES (1); {DIES_ONCE}; VACUUM a; INSERT INTO a VALUES (2)"
    );
    let report = dunlin::migrate(&database.config(), NoTls, &Migrator::new(texts(&[&text]))).await.unwrap();
    assert_eq!(report.applied().count(), 1);
    let rows: i64 = client.query_one("SELECT count(*) FROM a", &[]).await.unwrap().get(0);
    assert_eq!((rows, tries(&client).await), (2, 2));
    assert_eq!(events(&client).await, "1 started, 1 started, 1 applied");
}

#[derive(Debug, thiserror::Error)]
#[error("the hook says it in its own words")]
struct OwnWords;

/// Ends its backend once, and hides that.
struct Dies;

impl RustMigration for Dies {
    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        cx.client().batch_execute(DIES_ONCE).await.map_err(|_| OwnWords)?;
        Ok(())
    }
}

#[tokio::test]
async fn a_hook_that_loses_its_connection_is_called_again() {
    let (database, client) = with_tries().await;
    let set = MigrationSet::builder().rust(1, "dies", Dies).build().unwrap();
    let report = dunlin::migrate(&database.config(), NoTls, &Migrator::new(set)).await.unwrap();
    assert_eq!((report.applied().count(), tries(&client).await), (1, 2));
}

/// Asks for a row that is not there, and counts how often.
struct NoRow(Arc<AtomicU32>);

impl RustMigration for NoRow {
    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        cx.client().query_one("SELECT 1 WHERE false", &[]).await?;
        Ok(())
    }
}

#[tokio::test]
async fn an_error_of_the_driver_s_own_is_no_lost_connection() {
    let database = database().await;
    let called = Arc::new(AtomicU32::new(0));
    let set = MigrationSet::builder().rust(1, "no_row", NoRow(Arc::clone(&called))).build().unwrap();
    let error = dunlin::migrate(&database.config(), NoTls, &Migrator::new(set)).await.unwrap_err();
    assert_eq!((error.kind(), called.load(Ordering::Relaxed)), (ErrorKind::Migration, 1));
    let client = database.connect().await.unwrap();
    assert_eq!(events(&client).await, "1 failed");
}

#[tokio::test]
async fn a_migration_that_takes_longer_than_the_deadline_is_taken_up_again() {
    let (database, client) = with_tries().await;
    let set = texts(&[&format!("SELECT pg_sleep(1.5); {DIES_ONCE}")]);
    let migrator = Migrator::new(set).deadline(Duration::from_secs(1));
    let report = dunlin::migrate(&database.config(), NoTls, &migrator).await.unwrap();
    assert_eq!((report.applied().count(), tries(&client).await), (1, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f19_a_history_that_a_failover_has_lost_is_written_anew() {
    let (database, client) = with_tries().await;
    let set = texts(&["CREATE TABLE a (id int)", DIES_ONCE, "SELECT 3"]);
    let client = Arc::new(client);
    let forgets = Arc::clone(&client);
    let migrator = Migrator::new(set).on_progress(move |progress| {
        if let Progress::Reconnecting { .. } = progress {
            let sql = "DROP TABLE a, dunlin_history_head, dunlin_history_events, dunlin_history CASCADE";
            let forgets = Arc::clone(&forgets);
            tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current()
                    .block_on(async move { forgets.batch_execute(sql).await.unwrap() });
            });
        }
    });
    let config = database.config();
    let report = dunlin::migrate_to(&config, NoTls, &migrator, Target::Relative(3)).await.unwrap();
    let applied: Vec<_> = report.applied().map(|done| done.id().version()).collect();
    assert_eq!(applied, [1, 2, 3]);
    assert_eq!(history(&client).await, "1 applied, 2 applied, 3 applied");
    assert!(exists(&client, "a").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_loses_its_connection_while_it_looks_looks_again() {
    let database = database().await;
    let mut owner = database.connect().await.unwrap();
    run(&mut owner, numbered(1)).await.unwrap();
    let (_, own) = database.name().rsplit_once('_').unwrap();
    let reader = format!("reader_{own}");
    owner
        .batch_execute(&format!(
            "CREATE ROLE \"{reader}\" LOGIN; GRANT SELECT ON dunlin_history, dunlin_history_head TO \"{reader}\""
        ))
        .await
        .unwrap();
    let mut config = database.config();
    config.user(&reader);
    let proxy = Proxy::start(&config).await;
    // Behind the start of the session: the look.
    proxy.arm([Fault::cut(Direction::ToServer, 2, Cut::Before)]);
    let report = dunlin::migrate(&proxy.config(), NoTls, &Migrator::new(numbered(1))).await.unwrap();
    assert_eq!((report.state(), proxy.struck()), (State::Current, 1));
    drop(proxy);
    owner.batch_execute(&format!("DROP OWNED BY \"{reader}\"; DROP ROLE \"{reader}\"")).await.unwrap();
}

#[tokio::test]
async fn a_relative_target_counts_what_was_done_before_the_connection_was_lost() {
    let (database, client) = with_tries().await;
    let set = MigrationSet::builder()
        .migration(migration(1, "SELECT 1", "SELECT 1", None))
        .migration(migration(2, "SELECT 1", DIES_ONCE, None))
        .migration(migration(3, "SELECT 1", "SELECT 1", None))
        .build()
        .unwrap();
    let migrator = Migrator::new(set);
    dunlin::migrate(&database.config(), NoTls, &migrator).await.unwrap();
    let config = database.config();
    let report = dunlin::migrate_to(&config, NoTls, &migrator, Target::Relative(-2)).await.unwrap();
    let reverted: Vec<_> = report.reverted().map(|done| done.id().version()).collect();
    assert_eq!(reverted, [3, 2]);
    assert_eq!(history(&client).await, "1 applied");
}

#[tokio::test]
async fn an_address_where_nobody_listens_is_an_error_at_once() {
    let config = "host=127.0.0.1 port=1 user=me password=secret".parse().unwrap();
    let began = Instant::now();
    let error = dunlin::migrate(&config, NoTls, &Migrator::new(numbered(1))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(began.elapsed() < Duration::from_secs(60), "the deadline is ten minutes");
    assert!(!format!("{error:?}").contains("secret"));
}

#[tokio::test]
async fn too_many_clients_are_waited_for() {
    let database = database().await;
    let client = database.connect().await.unwrap();
    let name = database.name();
    client
        .batch_execute(&format!(
            "CREATE ROLE \"{name}_r\" LOGIN CONNECTION LIMIT 1; GRANT CREATE ON SCHEMA public TO \"{name}_r\""
        ))
        .await
        .unwrap();
    let mut config = database.config();
    config.user(format!("{name}_r"));
    let (only, connection) = config.connect(NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let migrator = Migrator::new(numbered(1)).on_progress({
        let only = Mutex::new(Some((only, connection)));
        move |progress| {
            if let Progress::Reconnecting { .. } = progress {
                let _ = only.lock().unwrap().take();
            }
        }
    });
    assert_eq!(dunlin::migrate(&config, NoTls, &migrator).await.unwrap().applied().count(), 1);
    client.batch_execute(&format!("DROP OWNED BY \"{name}_r\"; DROP ROLE \"{name}_r\"")).await.unwrap();
}

#[tokio::test]
async fn f27_a_dropped_run_frees_the_lock_of_a_client_that_lives_on() {
    let database = database().await;
    let (watch, mut client) = (database.connect().await.unwrap(), database.connect().await.unwrap());
    let migrator =
        Migrator::new(texts(&["CREATE TABLE a (id int)", "CREATE TABLE b (id int); SELECT pg_sleep(60)"]));
    tokio::select! {
        outcome = migrator.run(&mut client, Target::Latest) => panic!("it should sleep: {outcome:?}"),
        () = sleeping(&watch) => {}
    }
    let began = Instant::now();
    while left_behind(&watch).await != (0, 0) {
        assert!(began.elapsed() < Duration::from_secs(10), "the statement has a minute");
    }
    assert_eq!(history(&watch).await, "1 applied");
    assert!(!exists(&watch, "b").await);
    let mended = Migrator::new(texts(&["CREATE TABLE a (id int)", "CREATE TABLE b (id int)"]));
    assert_eq!(mended.run(&mut client, Target::Latest).await.unwrap().applied().count(), 1);
}

/// Waits until a session of the database sleeps.
async fn sleeping(watch: &Client) {
    let sql =
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()";
    while watch.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) == 0 {}
}
