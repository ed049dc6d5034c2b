//! D. Bad input, versions, environment. Much of it is in `policies.rs`, `boot.rs`, `hygiene.rs` and `errors.rs` too.

use dunlin::{ErrorKind, MigrationSet, Migrator, State, Target};
use dunlin_test::Server;
use tests::database;

use super::{connect, forget, role, until};
use crate::support::{exists, history, migration, numbered, run, texts};

#[tokio::test]
async fn f40_a_checkout_with_other_line_ends_is_the_same_migration_and_does_the_same() {
    let unix = "CREATE TABLE t AS SELECT 'a\nb' AS text";
    let windows = format!("\u{feff}{}", unix.replace('\n', "\r\n"));
    let mut lengths = Vec::new();
    for (first, second) in [(unix, windows.as_str()), (&windows, unix)] {
        let database = database().await;
        let mut client = database.connect().await.unwrap();
        run(&mut client, texts(&[first])).await.unwrap();
        let report = run(&mut client, texts(&[second])).await.unwrap();
        assert_eq!((report.state(), report.flights()), (State::Current, 1));
        let length: i32 = client.query_one("SELECT length(text) FROM t", &[]).await.unwrap().get(0);
        lengths.push(length);
    }
    assert_eq!(lengths, [3, 3], "a line end inside a literal is data, and the same data everywhere");
}

#[test]
fn f40_what_no_reader_sees_is_refused_with_its_place() {
    for (text, place) in [("SELECT 1;\nSELECT\u{a0}2", "2:7"), ("SELECT 1;\nSELECT '\0'", "2:9")] {
        let error = MigrationSet::builder().sql(1, "m1", text).build().unwrap_err();
        let location = error.location().unwrap();
        assert_eq!(format!("{}:{}", location.line(), location.column()), place, "{error}");
    }
    MigrationSet::builder().sql(1, "m1", "SELECT '\u{a0}'").build().unwrap();
}

#[tokio::test]
async fn f42_a_gap_between_versions_is_no_gap_between_migrations() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let set = MigrationSet::builder().sql(30, "c", "DROP TABLE t").sql(10, "a", "CREATE TABLE t (id int)");
    run(&mut client, set.build().unwrap()).await.unwrap();
    assert_eq!(history(&client).await, "10 applied, 30 applied");
}

#[tokio::test]
async fn f47_nothing_to_do_needs_no_more_than_select() {
    let database = database().await;
    let mut owner = database.connect().await.unwrap();
    run(&mut owner, numbered(2)).await.unwrap();
    let (name, mut config) = role(&database, "reader").await;
    let grant = format!("GRANT SELECT ON dunlin_history, dunlin_history_head TO \"{name}\"");
    owner.batch_execute(&grant).await.unwrap();
    config.options("-c default_transaction_read_only=on");
    let mut reader = connect(&config).await;
    let report = run(&mut reader, numbered(2)).await.unwrap();
    assert_eq!((report.state(), report.flights()), (State::Current, 1));
    forget(&database, &name).await;
}

#[tokio::test]
async fn f48_row_security_on_the_history_repeats_nothing() {
    let database = database().await;
    let owner = database.connect().await.unwrap();
    let (name, config) = role(&database, "owner").await;
    owner.batch_execute(&format!("GRANT CREATE ON SCHEMA public TO \"{name}\"")).await.unwrap();
    let mut client = connect(&config).await;
    let count = "CREATE TABLE IF NOT EXISTS effects (n int); INSERT INTO effects VALUES (1)";
    run(&mut client, texts(&[count])).await.unwrap();
    for hide in ["ENABLE ROW LEVEL SECURITY", "FORCE ROW LEVEL SECURITY"] {
        client.batch_execute(&format!("ALTER TABLE dunlin_history {hide}")).await.unwrap();
        client.batch_execute(&format!("ALTER TABLE dunlin_history_head {hide}")).await.unwrap();
        let set = texts(&[count, "SELECT 2"]);
        let error = run(&mut client, set).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::History, "{error}");
        let effects: i64 = client.query_one("SELECT count(*) FROM effects", &[]).await.unwrap().get(0);
        assert_eq!(effects, 1, "{hide}");
    }
    // Who may look, but is shown no rows, is not told that it may begin anew.
    let (reader_name, config) = role(&database, "reader").await;
    let grant = format!("GRANT SELECT ON dunlin_history, dunlin_history_head TO \"{reader_name}\"");
    owner.batch_execute(&grant).await.unwrap();
    let mut reader = connect(&config).await;
    let migrator = Migrator::new(texts(&[count]));
    for error in [
        migrator.run(&mut reader, Target::Latest).await.unwrap_err(),
        migrator.status(&reader).await.unwrap_err(),
        migrator.ensure_current(&reader).await.unwrap_err(),
        migrator.plan(&reader, Target::Latest).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::History, "{error}");
    }
    forget(&database, &reader_name).await;
    forget(&database, &name).await;
}

#[tokio::test]
async fn f51_rows_that_nobody_can_have_written_are_errors() {
    let tampered =
        ["state = 'odd'", "checksum = 'abc'", "checksum = ''", "origin = 'magic'", "statements_done = -1"];
    for change in tampered {
        let database = database().await;
        let mut client = database.connect().await.unwrap();
        run(&mut client, numbered(2)).await.unwrap();
        let checks = "DO $$ DECLARE c name; BEGIN FOR c IN SELECT conname FROM pg_constraint WHERE contype = 'c' AND \
                      conrelid = 'dunlin_history'::regclass LOOP \
                      EXECUTE format('ALTER TABLE dunlin_history DROP CONSTRAINT %I', c); END LOOP; END $$";
        client.batch_execute(checks).await.unwrap();
        client.batch_execute(&format!("UPDATE dunlin_history SET {change} WHERE version = 2")).await.unwrap();
        let error = run(&mut client, numbered(3)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::History, "{change}");
        assert!(error.to_string().contains("a row that dunlin did not write, of ordinal 2"), "{error}");
        assert!(!exists(&client, "t3").await, "{change}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f52_verify_notices_a_history_that_came_without_its_tables() {
    let server = Server::builder().setting("wal_level", "logical").start().await.unwrap();
    let (publisher, subscriber) =
        (server.create_database().await.unwrap(), server.create_database().await.unwrap());
    let set = |count: i64| {
        let verified = |n: i64| {
            let verify = format!("SELECT to_regclass('t{n}') IS NOT NULL AS there");
            migration(n, &format!("CREATE TABLE t{n} (id int)"), "SELECT 1", Some(&verify))
        };
        let set = (1..=count).fold(MigrationSet::builder(), |set, n| set.migration(verified(n)));
        set.build().unwrap()
    };
    let mut source = publisher.connect().await.unwrap();
    let mut client = subscriber.connect().await.unwrap();
    run(&mut source, set(1)).await.unwrap();
    run(&mut client, set(1)).await.unwrap();
    let slot = format!("slot_{}", std::process::id());
    source.batch_execute("CREATE PUBLICATION everything FOR ALL TABLES").await.unwrap();
    source
        .execute(&format!("SELECT pg_create_logical_replication_slot('{slot}', 'pgoutput')"), &[])
        .await
        .unwrap();
    // The server connects to itself, so it can't make the slot on the way.
    let subscribe = format!(
        "CREATE SUBSCRIPTION s CONNECTION '{}' PUBLICATION everything \
         WITH (create_slot = false, slot_name = '{slot}', copy_data = false)",
        publisher.url()
    );
    client.batch_execute(&subscribe).await.unwrap();
    run(&mut source, set(2)).await.unwrap();
    until(&client, "SELECT count(*) = 2 FROM dunlin_history").await;
    until(&client, "SELECT max(version) = 2 FROM dunlin_history_head").await;

    let migrator = Migrator::new(set(2));
    let report = migrator.run(&mut client, Target::Latest).await.unwrap();
    assert_eq!((report.state(), exists(&client, "t2").await), (State::Current, false));
    let error = migrator.verify(&mut client).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Verify);
    insta::assert_snapshot!(error, @"1 of 2 migrations do not verify: 2 (m2) at 2_m2.verify.sql:1:1: column `there` is false: `SELECT to_regclass('t2') IS NOT NULL AS there`");
    client
        .batch_execute(
            "ALTER SUBSCRIPTION s DISABLE; ALTER SUBSCRIPTION s SET (slot_name = NONE); DROP SUBSCRIPTION s",
        )
        .await
        .unwrap();
    server.stop().await.unwrap();
}
