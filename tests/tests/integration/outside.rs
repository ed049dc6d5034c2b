//! Migrations outside a transaction: journaled, resumed, and no invalid index left.

use dunlin::{BoxError, Context, ErrorKind, MigrationSet, Migrator, RustMigration, Target, TransactionMode};
use tests::database;

use crate::support::{events, exists, history, left_behind, migration, outside, run, texts, valid};

#[tokio::test]
async fn f37_statements_run_one_by_one_between_transactional_migrations() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let set = MigrationSet::builder()
        .sql(1, "table", "CREATE TABLE a (id int, name text)")
        .migration(migration(
            2,
            &outside("CREATE INDEX CONCURRENTLY a_id ON a (id);\nCREATE UNIQUE INDEX CONCURRENTLY \"A name\" ON public.a (name);\nVACUUM a"),
            &outside("DROP INDEX CONCURRENTLY \"A name\"; DROP INDEX CONCURRENTLY public.a_id"),
            Some("SELECT count(*) = 2 FROM pg_index WHERE indrelid = 'a'::regclass AND indisvalid"),
        ))
        .migration(migration(3, "CREATE TABLE b (id int)", "DROP TABLE b", None))
        .build()
        .unwrap();
    let migrator = Migrator::new(set);
    let report = migrator.run(&mut client, Target::Latest).await.unwrap();
    assert_eq!(report.applied().count(), 3);
    assert_eq!((valid(&client, "a_id").await, valid(&client, "\"A name\"").await), (Some(true), Some(true)));
    assert_eq!(history(&client).await, "1 applied, 2 applied, 3 applied");
    assert_eq!(migrator.run(&mut client, Target::Latest).await.unwrap().flights(), 1);

    migrator.run(&mut client, Target::Version(1)).await.unwrap();
    assert_eq!((valid(&client, "a_id").await, valid(&client, "\"A name\"").await), (None, None));
    assert_eq!(history(&client).await, "1 applied");
    assert_eq!(left_behind(&client).await, (0, 0));
}

#[tokio::test]
async fn f37_a_failed_statement_is_named_and_the_next_run_goes_on_there() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let set = |last: &str| {
        texts(&[
            &outside(&format!("CREATE TABLE a (id int);\nCREATE TABLE b (id int);\n  {last}")),
            "SELECT 1",
        ])
    };
    let error = run(&mut client, set("CREATE TABLE c (id it)")).await.unwrap_err();
    insta::assert_snapshot!(error, @r#"migration 1 (m1) failed at 1_m1.up.sql:4:22: type "it" does not exist (SQLSTATE 42704); 2 of its 3 statements are done: mend statement 3 and run again, which goes on there"#);
    assert_eq!(history(&client).await, "1 failed");
    assert_eq!(events(&client).await, "1 started, 1 failed 42704");
    assert_eq!(left_behind(&client).await, (0, 0));

    // Whoever changes what has run is told; whoever mends the rest goes on.
    let changed = texts(&[
        &outside("CREATE TABLE aa (id int); CREATE TABLE b (id int); CREATE TABLE c (id int)"),
        "SELECT 1",
    ]);
    assert_eq!(run(&mut client, changed).await.unwrap_err().kind(), ErrorKind::Diverged);
    let report = run(&mut client, set("CREATE TABLE c (id int)")).await.unwrap();
    assert_eq!(report.applied().count(), 2);
    assert!(exists(&client, "c").await);
    assert_eq!(history(&client).await, "1 applied, 2 applied");
    assert_eq!(run(&mut client, set("CREATE TABLE c (id int)")).await.unwrap().flights(), 1);
}

#[tokio::test]
async fn f31_an_index_left_invalid_by_an_earlier_try_is_built_anew() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    run(&mut client, texts(&["CREATE TABLE a (id int); INSERT INTO a VALUES (1), (1)"])).await.unwrap();
    // Somebody has tried by hand.
    client.batch_execute("CREATE UNIQUE INDEX CONCURRENTLY a_id ON a (id)").await.unwrap_err();
    assert_eq!(valid(&client, "a_id").await, Some(false));
    client.batch_execute("DELETE FROM a").await.unwrap();
    let set = texts(&[
        "CREATE TABLE a (id int); INSERT INTO a VALUES (1), (1)",
        &outside("CREATE UNIQUE INDEX CONCURRENTLY a_id ON a (id)"),
    ]);
    run(&mut client, set).await.unwrap();
    assert_eq!(valid(&client, "a_id").await, Some(true));
}

#[tokio::test]
async fn f32_an_index_that_can_not_be_built_is_gone_at_once() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let table = "CREATE TABLE a (id int); INSERT INTO a VALUES (1), (1)";
    let set = texts(&[table, &outside("CREATE UNIQUE INDEX CONCURRENTLY a_id ON a (id)")]);
    let error = run(&mut client, set.clone()).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "23505");
    assert_eq!(valid(&client, "a_id").await, None, "an invalid unique index would reject writes");
    client.batch_execute("DELETE FROM a WHERE ctid = '(0,1)'").await.unwrap();
    run(&mut client, set).await.unwrap();
    assert_eq!(valid(&client, "a_id").await, Some(true));
}

#[tokio::test]
async fn f31_an_index_that_an_interrupted_run_has_built_is_not_built_again() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let table = "CREATE TABLE a (id int)";
    let set = texts(&[table, &outside("CREATE INDEX CONCURRENTLY a_id ON a (id); SELECT 1/0")]);
    run(&mut client, set.clone()).await.unwrap_err();
    // As if the process had died before it could note that the first statement was done.
    let sql = "UPDATE dunlin_history SET state = 'running', statements_done = 0 WHERE version = 2";
    client.batch_execute(sql).await.unwrap();
    let mended = texts(&[table, &outside("CREATE INDEX CONCURRENTLY a_id ON a (id); SELECT 1")]);
    run(&mut client, mended).await.unwrap();
    assert_eq!(
        (valid(&client, "a_id").await, history(&client).await.as_str()),
        (Some(true), "1 applied, 2 applied")
    );
}

#[tokio::test]
async fn a_name_that_is_taken_is_an_error_and_not_taken_for_ours() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    run(&mut client, texts(&["CREATE TABLE a (id int, b int); CREATE INDEX a_id ON a (b)"])).await.unwrap();
    let set = texts(&[
        "CREATE TABLE a (id int, b int); CREATE INDEX a_id ON a (b)",
        &outside("CREATE INDEX CONCURRENTLY a_id ON a (id)"),
    ]);
    for _ in 0..2 {
        let error = run(&mut client, set.clone()).await.unwrap_err();
        assert_eq!(error.code().unwrap().code(), "42P07");
        assert_eq!(valid(&client, "a_id").await, Some(true), "it is somebody else's");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f04_a_concurrent_index_never_deadlocks_with_waiting_runners() {
    let database = database().await;
    let set = texts(&[
        "CREATE TABLE a (id int); INSERT INTO a SELECT generate_series(1, 200000)",
        &outside("SELECT pg_sleep(1.5); CREATE INDEX CONCURRENTLY a_id ON a (id)"),
    ]);
    let boot = || {
        let (config, migrator) = (database.config(), Migrator::new(set.clone()));
        tokio::spawn(async move { dunlin::migrate(&config, tokio_postgres::NoTls, &migrator).await })
    };
    for report in futures_util::future::join_all((0..4).map(|_| boot())).await {
        report.unwrap().unwrap();
    }
    let client = database.connect().await.unwrap();
    assert_eq!(valid(&client, "a_id").await, Some(true));
}

/// Counts its own runs in a table, outside a transaction.
struct Counts;

impl RustMigration for Counts {
    const TRANSACTION: TransactionMode = TransactionMode::None;

    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        cx.client()
            .batch_execute("CREATE TABLE IF NOT EXISTS runs (id int); INSERT INTO runs VALUES (1); VACUUM")
            .await
            .unwrap_err();
        cx.client()
            .batch_execute("CREATE TABLE IF NOT EXISTS runs (id int); INSERT INTO runs VALUES (1)")
            .await?;
        cx.client().batch_execute("VACUUM runs").await?;
        if cx.client().query("SELECT FROM runs", &[]).await?.len() < 2 {
            Err("once more".into())
        } else {
            Ok(())
        }
    }
}

#[tokio::test]
async fn a_rust_migration_outside_a_transaction_is_called_again() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let set = MigrationSet::builder().rust(1, "counts", Counts).build().unwrap();
    let error = run(&mut client, set.clone()).await.unwrap_err();
    insta::assert_debug_snapshot!(error, @"
    migration 1 (counts) failed in its Rust code; it runs outside a transaction: see what it has done, mend it and run again, which calls it again
      caused by: once more
    ");
    assert_eq!(history(&client).await, "1 failed");
    run(&mut client, set).await.unwrap();
    assert_eq!(history(&client).await, "1 applied");
}

#[tokio::test]
async fn a_verify_script_that_fails_after_the_statements_says_that_they_stay() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let set = |verify: &str| {
        let migration = migration(1, &outside("CREATE TABLE a (id int)"), "DROP TABLE a", Some(verify));
        MigrationSet::builder().migration(migration).build().unwrap()
    };
    let error = run(&mut client, set("SELECT 1 = 2 AS holds")).await.unwrap_err();
    insta::assert_snapshot!(error, @"migration 1 (m1) did not verify at 1_m1.verify.sql:1:1: column `holds` is false: `SELECT 1 = 2 AS holds`; all 1 of its statements are done and stay: mend what it verifies and run again");
    assert_eq!(left_behind(&client).await, (0, 0));
    run(&mut client, set("SELECT 2 = 2 AS holds")).await.unwrap();
    assert_eq!(history(&client).await, "1 applied");
}

#[tokio::test]
async fn a_setting_reaches_the_statements_after_it_and_a_resumed_run_sets_it_again() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let set = |last: &str| {
        let text = format!(
            "CREATE SCHEMA x;\nSET search_path = x;\nSET work_mem = '7MB';\nCREATE TABLE b AS SELECT current_setting('work_mem') AS v;\n\
             CREATE INDEX CONCURRENTLY b_v ON b (v);\n{last}"
        );
        texts(&[&outside(&text), "CREATE TABLE c (id int)"])
    };
    let error = run(&mut client, set("CREATE TABEL d")).await.unwrap_err();
    assert!(error.to_string().contains("5 of its 6 statements are done"), "{error}");
    run(&mut client, set("CREATE TABLE d AS SELECT current_setting('work_mem') AS v")).await.unwrap();
    for table in ["x.b", "x.d"] {
        let value: String = client.query_one(&format!("SELECT v FROM {table}"), &[]).await.unwrap().get(0);
        assert_eq!(value, "7MB", "{table}");
    }
    assert!(exists(&client, "public.c").await, "the next migration has its own session");
    assert_eq!(valid(&client, "x.b_v").await, Some(true));
}

#[tokio::test]
async fn a_block_or_a_procedure_may_commit_however_it_is_written() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let body = "'BEGIN INSERT INTO a VALUES (1); COMMIT; END'";
    let sql = format!("CREATE TABLE a (id int); CREATE PROCEDURE p() LANGUAGE plpgsql AS {body}");
    client.batch_execute(&sql).await.unwrap();
    let text = format!("CALL p(); CALL\"p\"(); Call/* it */p(); DO {body}; do{body}");
    run(&mut client, texts(&[&outside(&text)])).await.unwrap();
    assert_eq!(client.query_one("SELECT count(*) FROM a", &[]).await.unwrap().get::<_, i64>(0), 5);
}
