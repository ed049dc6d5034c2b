//! What one migration, a caller or a stranger leaves behind does no harm to another.

use dunlin::{
    BoxError, Context, ErrorKind, HistoryTable, MigrationSet, Migrator, RustMigration, Target,
    TransactionMode, TransactionPolicy,
};
use tests::database;
use tokio_postgres::Client;

use crate::support::{events, exists, history, left_behind, migration, run, texts};

async fn count(client: &Client, from: &str) -> i64 {
    client.query_one(&format!("SELECT count(*) FROM {from}"), &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_verify_script_writes_nothing_when_the_flight_before_it_has_failed() {
    let late = "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int REFERENCES p DEFERRABLE INITIALLY DEFERRED);\
                INSERT INTO c VALUES (1)";
    let verify = Some("DELETE FROM public.keep; SELECT true");
    for (first, second) in
        [("SELECT 1", "CREATE TABLE a (id int); SELEKT 1"), (late, "CREATE TABLE a (id int)")]
    {
        let database = database().await;
        let mut client = database.connect().await.unwrap();
        client.batch_execute("CREATE TABLE public.keep AS SELECT 1 AS id").await.unwrap();
        let set =
            MigrationSet::builder().sql(1, "m1", first).migration(migration(2, second, "SELECT 1", verify));
        run(&mut client, set.build().unwrap()).await.unwrap_err();
        assert_eq!(count(&client, "public.keep").await, 1, "{second}");
        assert_eq!(left_behind(&client).await, (0, 0));
    }
}

#[tokio::test]
async fn f50_how_one_script_has_its_text_read_does_not_reach_the_next_message() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let sets =
        "SET client_encoding = 'LATIN1'; SET standard_conforming_strings = off; CREATE TABLE t (v text)";
    let set = MigrationSet::builder()
        .migration(migration(1, sets, "SELECT 1", Some("SELECT 'é' = U&'\\00e9'")))
        .sql(2, "insert", "INSERT INTO t VALUES ('é'), ('C:\\new')");
    run(&mut client, set.build().unwrap()).await.unwrap();
    let rows = client.query("SELECT v FROM t", &[]).await.unwrap();
    let values: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(values, ["é", "C:\\new"]);
}

#[tokio::test]
async fn f50_a_temporary_table_hides_nothing_from_the_next_migration() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let set = texts(&[
        "CREATE TEMP TABLE users AS SELECT 1 AS id; LISTEN news; DECLARE c CURSOR WITH HOLD FOR SELECT 1",
        "CREATE TABLE users (id int)",
        "INSERT INTO users VALUES (7)",
    ]);
    run(&mut client, set).await.unwrap();
    assert_eq!(count(&client, "public.users").await, 1);
    assert_eq!(
        count(&client, "pg_listening_channels()").await
            + count(&client, "pg_cursors WHERE is_holdable").await,
        0
    );
}

#[tokio::test]
async fn a_column_that_looks_like_the_library_s_own_is_a_script_s() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let set = texts(&["SELECT 7 AS dunlin_version, 1 AS dunlin_took, 1 AS took", "SELECT 1/0", "SELECT 1"]);
    let error = run(&mut client, set).await.unwrap_err();
    assert_eq!((error.migration().unwrap().version(), error.report().applied().count()), (2, 1));
}

/// Runs a text in both directions.
struct Runs(&'static str);

/// Leaves a transaction open.
struct Outside;

impl RustMigration for Runs {
    const REVERSIBLE: bool = true;

    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        Ok(cx.client().batch_execute(self.0).await?)
    }

    async fn down(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        Ok(cx.client().batch_execute(self.0).await?)
    }
}

impl RustMigration for Outside {
    const TRANSACTION: TransactionMode = TransactionMode::None;

    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        Ok(cx.client().batch_execute("BEGIN; CREATE TABLE made (id int)").await?)
    }
}

#[tokio::test]
async fn f38_a_hook_that_ends_its_transaction_is_called_once() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    client.batch_execute("CREATE TABLE public.calls (id int)").await.unwrap();
    let hook = Runs("INSERT INTO public.calls VALUES (1); COMMIT");
    let set = MigrationSet::builder().sql(1, "m1", "SELECT 1").rust(2, "hook", hook).build().unwrap();
    Migrator::new(set.clone()).stamp(&mut client, Target::Latest).await.unwrap();
    let error = Migrator::new(set).run(&mut client, Target::Version(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TransactionEnded);
    assert_eq!(count(&client, "public.calls").await, 1);
}

#[tokio::test]
async fn a_hook_s_work_stays_when_the_next_script_can_not_be_read() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let hook = Runs("CREATE TABLE made (id int)");
    let set = MigrationSet::builder().rust(1, "hook", hook).sql(2, "m2", "SELEKT 1").build().unwrap();
    let error = run(&mut client, set).await.unwrap_err();
    assert_eq!(error.report().applied().count(), 1);
    assert!(exists(&client, "made").await);
}

#[tokio::test]
async fn a_hook_outside_a_transaction_may_not_leave_one_open() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let set = MigrationSet::builder().rust(1, "outside", Outside).build().unwrap();
    let error = run(&mut client, set).await.unwrap_err();
    assert!(format!("{error:?}").contains("left a transaction open"), "{error:?}");
    assert_eq!(history(&client).await, "1 failed");
    assert_eq!(left_behind(&client).await, (0, 0));
}

#[tokio::test]
async fn a_caller_s_open_transaction_is_left_alone() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    client.batch_execute("CREATE TABLE mine (id int)").await.unwrap();
    client.batch_execute("BEGIN; INSERT INTO mine VALUES (1)").await.unwrap();
    let migrator = Migrator::new(texts(&["SELECT 1"]));
    let error = migrator.run(&mut client, Target::Latest).await.unwrap_err();
    insta::assert_snapshot!(error, @"the client is inside a transaction, which a run would end: commit or roll it back first");
    client.batch_execute("ROLLBACK").await.unwrap();
    migrator.run(&mut client, Target::Latest).await.unwrap();
    client.batch_execute("BEGIN; INSERT INTO mine VALUES (1)").await.unwrap();
    assert_eq!(migrator.verify(&mut client).await.unwrap_err().kind(), ErrorKind::Unsupported);
    let more = Migrator::new(texts(&["SELECT 1", "SELECT 2"]));
    assert_eq!(more.run(&mut client, Target::Latest).await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(count(&client, "mine").await, 1, "neither committed nor rolled back");
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(left_behind(&client).await, (0, 0));
    assert_eq!(more.run(&mut client, Target::Latest).await.unwrap().applied().count(), 1);
}

#[tokio::test]
async fn f64_what_a_stranger_has_put_beside_the_history_is_refused() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let stranger = "CREATE TABLE dunlin_history_events (id int); \
                    CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
                    CREATE TRIGGER t BEFORE INSERT ON dunlin_history_events FOR EACH ROW EXECUTE FUNCTION f()";
    client.batch_execute(stranger).await.unwrap();
    let error = run(&mut client, texts(&["SELECT 1"])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::History);
    assert!(error.to_string().contains("beside it"), "{error}");
    assert!(!exists(&client, "dunlin_history").await);
}

#[tokio::test]
async fn f47_a_role_that_may_not_create_the_history_is_told_so() {
    let database = database().await;
    let owner = database.connect().await.unwrap();
    let role = format!("nobody_{}", database.name());
    owner
        .batch_execute(&format!(
            "CREATE ROLE \"{role}\" LOGIN PASSWORD 'x'; REVOKE CREATE ON SCHEMA public FROM PUBLIC"
        ))
        .await
        .unwrap();
    let mut config = database.config();
    config.user(&role).password("x");
    let (mut client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let error = run(&mut client, texts(&["SELECT 1"])).await.unwrap_err();
    insta::assert_snapshot!(error, @r#"PostgreSQL refused creating the history "public"."dunlin_history": permission denied for schema public (SQLSTATE 42501)"#);
    assert_eq!(left_behind(&owner).await, (0, 0));
    owner.batch_execute(&format!("DROP ROLE \"{role}\"")).await.unwrap();
}

#[tokio::test]
async fn all_or_nothing_blames_the_migration_that_failed() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let migrator = Migrator::new(texts(&["SELECT 1", "SELECT 2;\nSELECT 1/0", "SELECT 3"]));
    let migrator = migrator.transaction(TransactionPolicy::AllOrNothing);
    let error = migrator.run(&mut client, Target::Latest).await.unwrap_err();
    assert_eq!(
        (error.migration().unwrap().version(), error.location().unwrap().to_string()),
        (2, "2_m2.up.sql:2:1".into())
    );
}

#[tokio::test]
async fn a_half_applied_migration_can_be_stamped() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let set = texts(&["-- dunlin: no-transaction\nCREATE TABLE a (id int); SELECT 1/0"]);
    run(&mut client, set.clone()).await.unwrap_err();
    Migrator::new(set.clone()).stamp(&mut client, Target::Latest).await.unwrap();
    assert_eq!(history(&client).await, "1 applied");
    assert_eq!(run(&mut client, set).await.unwrap().flights(), 1);
    assert_eq!(events(&client).await, "1 started, 1 failed 22012, 1 stamped");
}

#[tokio::test]
async fn a_statement_outside_a_transaction_commits_with_its_record() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let text = "-- dunlin: no-transaction\nCREATE TABLE a (id int);\nSELECT pg_terminate_backend(pg_backend_pid());\nSELECT 1";
    let error = run(&mut client, texts(&[text])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection, "{error}");
    let client = database.connect().await.unwrap();
    let row = client.query_one("SELECT state, statements_done FROM dunlin_history", &[]).await.unwrap();
    assert_eq!((row.get::<_, String>(0).as_str(), row.get::<_, i32>(1)), ("running", 1));
}

#[tokio::test]
async fn f66_a_server_s_words_in_a_wrapped_error_are_told_without_their_values() {
    #[derive(Debug, thiserror::Error)]
    #[error("could not import")]
    struct Import(#[from] tokio_postgres::Error);

    struct Wraps;
    impl RustMigration for Wraps {
        async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
            let sql = "CREATE TABLE m (mail text PRIMARY KEY); INSERT INTO m VALUES ('ada@example.org'), ('ada@example.org')";
            Ok(cx.client().batch_execute(sql).await.map_err(Import)?)
        }
    }
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let error =
        run(&mut client, MigrationSet::builder().rust(1, "wraps", Wraps).build().unwrap()).await.unwrap_err();
    let text = format!("{error:?}");
    assert!(text.contains("could not import") && text.contains("23505") && !text.contains("ada@"), "{text}");
}

#[tokio::test]
async fn a_verify_script_that_returns_a_type_of_its_own_is_judged_by_its_failure() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let up = "CREATE TYPE mood AS ENUM ('a')";
    let verified = |verify| {
        MigrationSet::builder().migration(migration(1, up, "SELECT 1", Some(verify))).build().unwrap()
    };
    let error = run(&mut client, verified("SELECT 'a'::mood;\nSELECT 1/0")).await.unwrap_err();
    assert_eq!(error.location().unwrap().line(), 2, "{error}");
    run(&mut client, verified("SELECT 'a'::mood; SELECT true")).await.unwrap();
}

#[tokio::test]
async fn a_schema_for_each_tenant_has_a_history_each() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    for tenant in ["a", "b"] {
        client.batch_execute(&format!("CREATE SCHEMA {tenant}")).await.unwrap();
        let history = HistoryTable::new(tenant, "dunlin_history").unwrap();
        let migrator =
            |history| Migrator::new(texts(&["CREATE TABLE t (id int)"])).history(history).search_path(tenant);
        if tenant == "b" {
            let error = migrator(history.clone()).run(&mut client, Target::Latest).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::History);
        }
        migrator(history.beside_others()).run(&mut client, Target::Latest).await.unwrap();
        assert!(exists(&client, &format!("{tenant}.t")).await);
    }
}

#[tokio::test]
async fn a_publication_of_all_tables_is_in_nobody_s_way() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    client.batch_execute("CREATE PUBLICATION everything FOR ALL TABLES").await.unwrap();
    let set = MigrationSet::builder()
        .migration(migration(1, "CREATE TABLE a (id int)", "DROP TABLE a", None))
        .build()
        .unwrap();
    run(&mut client, set.clone()).await.unwrap();
    Migrator::new(set).run(&mut client, Target::Base).await.unwrap();
}

#[tokio::test]
async fn a_lost_digest_is_mended_by_the_next_boot() {
    for lost in ["DROP TABLE dunlin_history_head", "DELETE FROM dunlin_history_head"] {
        let database = database().await;
        let mut client = database.connect().await.unwrap();
        run(&mut client, texts(&["SELECT 1"])).await.unwrap();
        client.batch_execute(lost).await.unwrap();
        run(&mut client, texts(&["SELECT 1"])).await.unwrap();
        run(&mut client, texts(&["SELECT 1", "SELECT 2"])).await.unwrap();
        assert_eq!(run(&mut client, texts(&["SELECT 1", "SELECT 2"])).await.unwrap().flights(), 1, "{lost}");
    }
}

#[tokio::test]
async fn a_hook_that_ends_the_transaction_of_verify_leaves_none_open() {
    struct Ends;
    impl RustMigration for Ends {
        async fn up(&self, _: &Context<'_>) -> Result<(), BoxError> {
            Ok(())
        }

        async fn verify(&self, cx: &Context<'_>) -> Result<(), BoxError> {
            Ok(cx.client().batch_execute("ROLLBACK; BEGIN").await?)
        }
    }
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let migrator = Migrator::new(MigrationSet::builder().rust(1, "ends", Ends).build().unwrap());
    migrator.stamp(&mut client, Target::Latest).await.unwrap();
    assert_eq!(migrator.verify(&mut client).await.unwrap_err().kind(), ErrorKind::TransactionEnded);
    client.batch_execute("SELECT 1").await.unwrap();
    assert_eq!(left_behind(&client).await, (0, 0));
}

#[tokio::test]
async fn a_run_that_fails_leaves_nothing_in_the_caller_s_session() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let first = "CREATE TEMP TABLE t AS SELECT 1 AS id; LISTEN news; DECLARE c CURSOR WITH HOLD FOR SELECT 1; SET work_mem = '9MB'";
    run(&mut client, texts(&[first, "SELECT 1/0"])).await.unwrap_err();
    assert_eq!(history(&client).await, "1 applied");
    assert_eq!(count(&client, "pg_listening_channels()").await, 0);
    assert_eq!(count(&client, "pg_cursors WHERE is_holdable").await, 0);
    assert_eq!(count(&client, "pg_settings WHERE name = 'work_mem' AND setting = '9216'").await, 0);
    assert!(!exists(&client, "pg_temp.t").await);
}
