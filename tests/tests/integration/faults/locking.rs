//! A. Locking.

use std::time::Duration;

use dunlin::{
    BoxError, Context, ErrorKind, MigrationSet, Migrator, RustMigration, State, Target, TransactionMode,
};
use dunlin_test::Server;
use tests::{Proxy, Round, Standby, database};
use tokio_postgres::NoTls;

use super::{ASLEEP, Holder, until};
use crate::support::{exists, history, left_behind, numbered, run, texts};

/// Takes the lock of `public.dunlin_history`, as a runner does.
const LOCK: &str = "SELECT pg_advisory_lock(1685417580, 2744476)";

/// Whether a runner in this database has tried to take the lock. With each try it asks for the history.
const WAITING: &str = "SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'dunlin' \
                       AND datname = current_database() \
                       AND (query LIKE '%advisory_lock%' OR query LIKE '%to_regclass(%) IS NOT NULL AS there')";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f05_a_runner_that_waits_for_the_lock_does_not_hold_vacuum_back() {
    let database = database().await;
    let client = database.connect().await.unwrap();
    client.batch_execute("CREATE TABLE t AS SELECT generate_series(1, 10000) AS id").await.unwrap();
    let holder = database.connect().await.unwrap();
    holder.batch_execute(LOCK).await.unwrap();
    let config = database.config();
    let runner =
        tokio::spawn(async move { dunlin::migrate(&config, NoTls, &Migrator::new(numbered(1))).await });
    until(&client, WAITING).await;

    client.batch_execute("DELETE FROM t").await.unwrap();
    // A poll has a snapshot for as long as it takes: some later VACUUM meets none, and gives the empty pages back.
    for attempt in 0.. {
        client.batch_execute("VACUUM t").await.unwrap();
        let size: i64 = client.query_one("SELECT pg_relation_size('t')", &[]).await.unwrap().get(0);
        if size == 0 {
            break;
        }
        assert!(attempt < 50, "{size} bytes of rows that nobody can see stay");
    }
    assert!(!runner.is_finished());
    holder.batch_execute("SELECT pg_advisory_unlock_all()").await.unwrap();
    runner.await.unwrap().unwrap();
}

#[tokio::test]
async fn f06_a_concurrent_index_does_not_wait_for_its_own_runner() {
    let database = database().await;
    let client = database.connect().await.unwrap();
    let settings = "SET default_transaction_isolation = 'repeatable read'";
    client.batch_execute(&format!("ALTER DATABASE \"{}\" {settings}", database.name())).await.unwrap();
    let outside = "-- dunlin: no-transaction\nCREATE INDEX CONCURRENTLY t_id ON t (id)";
    let mut client = database.connect().await.unwrap();
    run(&mut client, texts(&["CREATE TABLE t (id int)", outside, "SELECT 1"])).await.unwrap();
    assert!(exists(&client, "t_id").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f07_the_history_is_read_after_the_lock_whatever_isolation_the_role_has() {
    for isolation in ["repeatable read", "serializable"] {
        let database = database().await;
        let client = database.connect().await.unwrap();
        let alter = format!(
            "ALTER DATABASE \"{}\" SET default_transaction_isolation = '{isolation}'",
            database.name()
        );
        client.batch_execute(&alter).await.unwrap();
        let proxy = Proxy::start(&database.config()).await.with_recording();
        let round = Round::run(&Migrator::new(Round::set(20)), &database, &proxy.config(), 8).await;
        assert!(round.wrong.is_empty() && round.errors().next().is_none(), "{isolation}: {round:?}");
        for message in proxy.messages() {
            let message = format!("{message:?}");
            let locks = message.contains("pg_try_advisory_lock");
            assert!(!locks || !message.contains("FROM \\\"public\\\".\\\"dunlin_history\\\""), "{message}");
        }
    }
}

/// Sleeps for longer than any of the role's timeouts, in the middle of whatever it runs in.
struct Idle<const OUTSIDE: bool>;

impl<const OUTSIDE: bool> RustMigration for Idle<OUTSIDE> {
    const TRANSACTION: TransactionMode =
        if OUTSIDE { TransactionMode::None } else { TransactionMode::PerMigration };

    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        tokio::time::sleep(Duration::from_millis(300)).await;
        Ok(cx.client().batch_execute("SELECT pg_sleep(0.2)").await?)
    }
}

#[tokio::test]
async fn f11_no_timeout_of_the_role_reaches_a_run() {
    let database = database().await;
    let owner = database.connect().await.unwrap();
    let timeouts = "SELECT name FROM pg_settings WHERE name IN ('statement_timeout', 'lock_timeout', \
                    'idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout')";
    for row in owner.query(timeouts, &[]).await.unwrap() {
        let name: &str = row.get(0);
        let alter = format!("ALTER DATABASE \"{}\" SET {name} = '100ms'", database.name());
        owner.batch_execute(&alter).await.unwrap();
    }
    let set = MigrationSet::builder()
        .sql(1, "sleep", "SELECT pg_sleep(0.2)")
        .rust(2, "idle", Idle::<false>)
        .rust(3, "idle_outside", Idle::<true>)
        .sql(4, "outside", "-- dunlin: no-transaction\nSELECT pg_sleep(0.2); VACUUM");
    dunlin::migrate(&database.config(), NoTls, &Migrator::new(set.build().unwrap())).await.unwrap();
    assert_eq!(history(&owner).await, "1 applied, 2 applied, 3 applied, 4 applied");
}

#[tokio::test]
async fn f12_locks_of_other_kinds_and_other_databases_are_in_nobody_s_way() {
    let (database, elsewhere) = (database().await, database().await);
    let application = database.connect().await.unwrap();
    // The same 64 bits in the space of single keys, and the same pair in another database.
    let single = (1_685_417_580_i64 << 32) | 2_744_476;
    application.batch_execute(&format!("SELECT pg_advisory_lock({single})")).await.unwrap();
    elsewhere.connect().await.unwrap().batch_execute(LOCK).await.unwrap();
    let other = elsewhere.connect().await.unwrap();
    other.batch_execute(LOCK).await.unwrap();
    let mut client = database.connect().await.unwrap();
    let report = run(&mut client, numbered(2)).await.unwrap();
    assert_eq!((report.applied().count(), report.waited()), (2, Duration::ZERO));
    // Taken once and given back once: the session holds nothing.
    assert_eq!(left_behind(&client).await, (1, 0), "the application's own lock is all there is");
}

#[tokio::test]
async fn f12_two_applications_of_one_key_wait_for_each_other_and_nothing_worse() {
    let database = database().await;
    let other = database.connect().await.unwrap();
    other.batch_execute(LOCK).await.unwrap();
    let config = database.config();
    let runner =
        tokio::spawn(async move { dunlin::migrate(&config, NoTls, &Migrator::new(numbered(2))).await });
    until(&other, WAITING).await;
    other.batch_execute("SELECT pg_advisory_unlock_all()").await.unwrap();
    assert_eq!(runner.await.unwrap().unwrap().applied().count(), 2);
}

#[tokio::test]
async fn f14_the_first_error_is_kept_and_the_lock_is_not() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let error = run(&mut client, texts(&["SELECT 1", "SELECT 1/0"])).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "22012", "{error}");
    assert_eq!(left_behind(&client).await, (0, 0));
}

#[tokio::test]
async fn f15_a_dump_taken_during_a_run_brings_no_lock_along() {
    let (database, restored) = (database().await, database().await);
    let client = database.connect().await.unwrap();
    let slow = "SELECT CASE WHEN current_setting('application_name') = 'killed' THEN pg_sleep(600) END";
    let all = ["CREATE TABLE a (id int)", slow];
    let holder = Holder::start(&format!("{}?application_name=killed", database.url()), &all);
    until(&client, ASLEEP).await;
    let bin = tests::server().await.bin_dir().map(|bin| bin.join("pg_dump"));
    let pg_dump = bin.filter(|program| program.exists()).unwrap_or_else(|| "pg_dump".into());
    let dumped =
        std::process::Command::new(pg_dump).args(["--inserts", "--no-owner", "-d", &database.url()]).output();
    let Ok(dumped) = dumped.map(|output| String::from_utf8(output.stdout).unwrap()) else {
        println!("skipped: this machine has no pg_dump");
        return;
    };
    drop(holder);
    // Newer versions begin and end with commands of psql.
    let dump: String =
        dumped.lines().filter(|line| !line.starts_with('\\')).map(|line| format!("{line}\n")).collect();
    restored.connect().await.unwrap().batch_execute(&dump).await.unwrap();
    let report = dunlin::migrate(&restored.config(), NoTls, &Migrator::new(texts(&all))).await.unwrap();
    assert_eq!((report.applied().count(), report.already_applied()), (1, 1));
    assert_eq!(report.waited(), Duration::ZERO);
}

#[tokio::test]
async fn f16_a_prepared_transaction_that_holds_the_lock_is_named() {
    let server = Server::builder().setting("max_prepared_transactions", "4").start().await.unwrap();
    let database = server.create_database().await.unwrap();
    let mut client = database.connect().await.unwrap();
    let orphan = "BEGIN; SELECT pg_advisory_xact_lock(1685417580, 2744476); PREPARE TRANSACTION 'orphan'";
    client.batch_execute(orphan).await.unwrap();
    let migrator = Migrator::new(numbered(1)).deadline(Duration::from_millis(300));
    let error = migrator.run(&mut client, Target::Latest).await.unwrap_err();
    assert!(error.to_string().contains("it is a prepared transaction, see pg_prepared_xacts"), "{error}");
    client.batch_execute("ROLLBACK PREPARED 'orphan'").await.unwrap();
    migrator.run(&mut client, Target::Latest).await.unwrap();
    server.stop().await.unwrap();
}

#[test]
fn f16_a_migration_can_not_prepare_a_transaction() {
    let error =
        MigrationSet::builder().sql(1, "m1", "SELECT 1; PREPARE TRANSACTION 'x'").build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Script);
    assert!(error.to_string().contains("`PREPARE TRANSACTION`"), "{error}");
}

#[tokio::test]
async fn f19_a_run_is_refused_on_a_standby_and_goes_on_when_it_is_promoted() {
    let standby = Standby::start().await;
    let mut primary = standby.primary().await;
    run(&mut primary, numbered(3)).await.unwrap();
    let mut client = standby.caught_up(&primary).await;
    let error = run(&mut client, numbered(5)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly);

    client.batch_execute("SELECT pg_promote()").await.unwrap();
    let report = run(&mut client, numbered(5)).await.unwrap();
    assert_eq!((report.applied().count(), report.state()), (2, State::Current));
    // The old primary still takes writes: nothing that a client library does can tell it from the new one.
    run(&mut primary, numbered(4)).await.unwrap();
}
