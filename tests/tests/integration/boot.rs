//! Booting: with nothing to do it leaves no trace, and any number of replicas do the work once.

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dunlin::{ErrorKind, Migrator, State, Target};
use futures_util::future::{join_all, poll_fn};
use tests::{Proxy, Standby, database, server};
use tokio_postgres::{AsyncMessage, Config, NoTls};

use crate::support::{history, left_behind, numbered, run};

#[tokio::test]
async fn a_fresh_database_is_migrated_and_then_there_is_nothing_to_do() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let report = run(&mut client, numbered(3)).await.unwrap();
    assert_eq!((report.applied().count(), report.already_applied(), report.state()), (3, 0, State::Current));
    assert_eq!(history(&client).await, "1 applied, 2 applied, 3 applied");
    let report = run(&mut client, numbered(3)).await.unwrap();
    assert_eq!((report.applied().count(), report.already_applied(), report.state()), (0, 3, State::Current));
    assert_eq!(left_behind(&client).await, (0, 0));
}

#[tokio::test]
async fn migrations_that_come_later_are_applied_after_those_that_are_there() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    run(&mut client, numbered(2)).await.unwrap();
    let report = run(&mut client, numbered(5)).await.unwrap();
    let applied: Vec<_> = report.applied().map(|done| done.id().to_string()).collect();
    assert_eq!(applied, ["3 (create_t3)", "4 (create_t4)", "5 (create_t5)"]);
    assert_eq!(report.already_applied(), 2);
}

#[tokio::test]
async fn nothing_to_do_is_one_select_without_lock_write_or_notice() {
    let database = database().await;
    run(&mut database.connect().await.unwrap(), numbered(3)).await.unwrap();

    let proxy = Proxy::start(&database.config()).await.with_recording();
    let (mut client, mut connection) = proxy.config().connect(NoTls).await.unwrap();
    let notices = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&notices);
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
            if let AsyncMessage::Notice(notice) = message {
                seen.lock().unwrap().push(notice.to_string());
            }
        }
    });
    client.batch_execute("SET default_transaction_read_only = on").await.unwrap();
    proxy.reset();
    run(&mut client, numbered(3)).await.unwrap();
    let messages = format!("{:?}", proxy.messages());
    assert_eq!(proxy.messages().len(), 1, "{messages}");
    assert!(messages.contains("SELECT digest") && !messages.contains("lock"), "{messages}");
    assert_eq!(*notices.lock().unwrap(), Vec::<String>::new());
}

/// A role of the test's own that may log in, and its configuration.
async fn role(database: &dunlin_test::Database, name: &str) -> Config {
    let client = database.connect().await.unwrap();
    let role = format!("{name}_{}", database.name());
    client.batch_execute(&format!("CREATE ROLE \"{role}\" LOGIN PASSWORD 'secret'")).await.unwrap();
    let mut config = database.config();
    config.user(&role).password("secret");
    config
}

#[tokio::test]
async fn f47_a_role_that_may_read_the_history_alone_boots_when_there_is_nothing_to_do() {
    let database = database().await;
    let mut owner = database.connect().await.unwrap();
    run(&mut owner, numbered(3)).await.unwrap();
    let config = role(&database, "reader").await;
    let name = config.get_user().unwrap().to_owned();
    owner.batch_execute(&format!("GRANT SELECT ON dunlin_history TO \"{name}\"")).await.unwrap();

    let (mut client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    let report = run(&mut client, numbered(3)).await.unwrap();
    assert_eq!((report.state(), report.flights()), (State::Current, 2));
    owner.batch_execute(&format!("GRANT SELECT ON dunlin_history_head TO \"{name}\"")).await.unwrap();
    let report = run(&mut client, numbered(3)).await.unwrap();
    assert_eq!((report.state(), report.flights()), (State::Current, 1));
    let migrator = Migrator::new(numbered(3));
    assert_eq!(migrator.ensure_current(&client).await.unwrap(), State::Current);
    assert_eq!(migrator.status(&client).await.unwrap().records().len(), 3);
    // With something to do it is refused, and nothing is left behind.
    let error = run(&mut client, numbered(4)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::History);
    assert_eq!(left_behind(&owner).await, (0, 0));
    owner.batch_execute(&format!("DROP OWNED BY \"{name}\"; DROP ROLE \"{name}\"")).await.unwrap();
}

#[tokio::test]
async fn f19_a_standby_boots_when_there_is_nothing_to_do_and_refuses_the_rest() {
    let standby = Standby::start().await;
    let mut primary = standby.primary().await;
    run(&mut primary, numbered(3)).await.unwrap();
    let mut client = standby.caught_up(&primary).await;

    let report = run(&mut client, numbered(3)).await.unwrap();
    assert_eq!((report.state(), report.flights()), (State::Current, 1));
    let migrator = Migrator::new(numbered(3));
    migrator.verify(&mut client).await.unwrap();
    assert_eq!(migrator.status(&client).await.unwrap().state(), State::Current);
    let error = run(&mut client, numbered(4)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly);
    insta::assert_snapshot!(error, @"the server is a standby, so nothing can be migrated here: connect to the primary with a role that may write");
}

#[tokio::test]
async fn f47_a_read_only_session_is_told_so() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    client.batch_execute("SET default_transaction_read_only = on").await.unwrap();
    let error = run(&mut client, numbered(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ReadOnly);
    assert_eq!(left_behind(&client).await, (0, 0));
}

/// How often the same is tried anew: what goes wrong between replicas goes wrong now and then.
const ROUNDS: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f17_fifty_tasks_that_boot_at_once_apply_everything_once() {
    let migrator = Migrator::new(numbered(100));
    for round in 0..ROUNDS {
        let database = database().await;
        let boot = || {
            let (config, migrator) = (database.config(), migrator.clone());
            tokio::spawn(async move { dunlin::migrate(&config, NoTls, &migrator).await })
        };
        let reports = join_all((0..50).map(|_| boot())).await;
        let reports: Vec<_> = reports.into_iter().map(|report| report.unwrap().unwrap()).collect();
        let applied: Vec<_> = reports.iter().map(|report| report.applied().count()).collect();
        assert_eq!(applied.iter().sum::<usize>(), 100, "round {round}: {applied:?}");
        assert!(reports.iter().all(|report| report.state() == State::Current));
        assert_applied_once(&database).await;
    }
}

#[tokio::test]
async fn f17_eight_processes_that_boot_at_once_apply_everything_once() {
    for round in 0..ROUNDS {
        let database = database().await;
        let boot = || {
            Command::new(env!("CARGO_BIN_EXE_boot")).args([database.url().as_str(), "100"]).spawn().unwrap()
        };
        let processes: Vec<_> = (0..8).map(|_| boot()).collect();
        for mut process in processes {
            let ended = tokio::task::spawn_blocking(move || process.wait().unwrap()).await.unwrap();
            assert!(ended.success(), "round {round}");
        }
        assert_applied_once(&database).await;
    }
}

/// One history row, one event and one table for each of the hundred.
async fn assert_applied_once(database: &dunlin_test::Database) {
    let client = database.connect().await.unwrap();
    let sql = "SELECT (SELECT count(*) FROM dunlin_history WHERE state = 'applied'), \
               (SELECT count(DISTINCT version) FROM dunlin_history), (SELECT count(*) FROM dunlin_history_events), \
               (SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename ~ '^t[0-9]+$')";
    let row = client.query_one(sql, &[]).await.unwrap();
    let counts: Vec<i64> = (0..4).map(|column| row.get(column)).collect();
    assert_eq!(counts, [100; 4]);
    assert_eq!(left_behind(&client).await, (0, 0));
}

#[tokio::test]
async fn f45_an_older_and_a_newer_program_boot_together() {
    let database = database().await;
    let (old, new) = (Migrator::new(numbered(5)), Migrator::new(numbered(8)));
    let config = database.config();
    let boot = |migrator: &Migrator| {
        let (config, migrator) = (config.clone(), migrator.clone());
        async move { dunlin::migrate(&config, NoTls, &migrator).await }
    };
    for report in join_all((0..8).map(|n| boot(if n % 2 == 0 { &old } else { &new }))).await {
        report.unwrap();
    }
    let mut client = database.connect().await.unwrap();
    let report = old.run(&mut client, Target::Latest).await.unwrap();
    assert_eq!(report.state(), State::Ahead);
    assert!(report.flights() <= 2);
}

#[tokio::test]
async fn f12_two_histories_in_one_database_do_not_wait_for_each_other() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    client.batch_execute("CREATE SCHEMA billing").await.unwrap();
    run(&mut client, numbered(2)).await.unwrap();
    let history = dunlin::HistoryTable::new("billing", "schema_history").unwrap();
    let billing = Migrator::new(numbered(2)).history(history).search_path("billing");
    let report = billing.run(&mut client, Target::Latest).await.unwrap();
    assert_eq!(report.applied().count(), 2);
    assert!(crate::support::exists(&client, "billing.t2").await);
}

#[tokio::test]
async fn f49_a_history_in_another_schema_is_named_instead_of_replaying_everything() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let history = dunlin::HistoryTable::new("ops", "dunlin_history").unwrap();
    Migrator::new(numbered(2)).history(history).run(&mut client, Target::Latest).await.unwrap();
    let error = run(&mut client, numbered(2)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::History);
    insta::assert_snapshot!(error, @r#"the history "public"."dunlin_history" is missing, but there is one in schema ops: configure that schema, or move the table, rather than run every migration again"#);
    assert_eq!(left_behind(&client).await, (0, 0));
}

#[tokio::test]
async fn the_lock_is_waited_for_until_the_deadline_and_its_holder_is_named() {
    let database = database().await;
    let holder = database.connect().await.unwrap();
    // The key of public.dunlin_history: a change of it would let two versions of the library run at once.
    holder
        .batch_execute("SET application_name = 'other'; SELECT pg_advisory_lock(1685417580, 2744476)")
        .await
        .unwrap();
    let mut client = database.connect().await.unwrap();
    let migrator = Migrator::new(numbered(1)).deadline(Duration::from_millis(300));
    let error = migrator.run(&mut client, Target::Latest).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LockTimeout);
    let text = error.to_string();
    assert!(text.contains("application `other`") && text.contains("pg_terminate_backend("), "{text}");
    drop(holder);
    assert!(server().await.version_num() >= 130_000);
}

#[tokio::test]
async fn f51_a_history_that_was_changed_by_hand_is_not_taken_for_current() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    run(&mut client, numbered(3)).await.unwrap();
    client.batch_execute("DELETE FROM dunlin_history WHERE version = 3; DROP TABLE t3").await.unwrap();
    assert_eq!(run(&mut client, numbered(3)).await.unwrap().applied().count(), 1);
    client.batch_execute("TRUNCATE dunlin_history").await.unwrap_err();
    client.batch_execute("DROP TABLE dunlin_history CASCADE; DROP TABLE t1, t2, t3").await.unwrap();
    assert_eq!(run(&mut client, numbered(3)).await.unwrap().applied().count(), 3);
    client.batch_execute("DELETE FROM dunlin_history WHERE version = 3; DROP TABLE t3").await.unwrap();
    assert_eq!(run(&mut client, numbered(3)).await.unwrap().applied().count(), 1);
    assert_eq!(run(&mut client, numbered(3)).await.unwrap().flights(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f27_a_dropped_boot_leaves_neither_lock_nor_transaction() {
    let database = database().await;
    let client = database.connect().await.unwrap();
    let migrator = Migrator::new(crate::support::texts(&["CREATE TABLE a (id int)", "SELECT pg_sleep(60)"]));
    let config = database.config();
    let boot = tokio::spawn(async move { dunlin::migrate(&config, NoTls, &migrator).await });
    let asleep = "SELECT count(*) = 1 FROM pg_stat_activity \
                  WHERE datname = current_database() AND wait_event = 'PgSleep'";
    let began = Instant::now();
    while !client.query_one(asleep, &[]).await.unwrap().get::<_, bool>(0) {
        assert!(began.elapsed() < Duration::from_secs(20), "the second migration never ran");
        tokio::task::yield_now().await;
    }
    boot.abort();
    let aborted = Instant::now();
    while left_behind(&client).await != (0, 0) {
        // It takes some 20 ms; the machine that runs all the tests at once is slower than that.
        assert!(aborted.elapsed() < Duration::from_secs(5), "{:?}", left_behind(&client).await);
        tokio::task::yield_now().await;
    }
    assert_eq!(history(&client).await, "1 applied");
}
