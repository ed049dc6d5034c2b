//! Applying: each migration in its own transaction, with nothing of it left for the next.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use dunlin::{
    BoxError, Context, ErrorKind, MigrationSet, Migrator, Progress, RustMigration, State, Target,
    TransactionPolicy,
};
use tests::database;

use crate::support::{events, exists, history, left_behind, migration, numbered, run, texts};

#[tokio::test]
async fn f50_what_a_migration_sets_does_not_reach_the_next_or_the_history() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let setup =
        "CREATE SCHEMA elsewhere; CREATE ROLE dunlin_leak; GRANT CREATE ON SCHEMA public TO dunlin_leak";
    // Roles are the server's: another run of this test may have made it.
    let _ = client.batch_execute("CREATE ROLE dunlin_leak").await;
    client.batch_execute(&setup.replace("CREATE ROLE dunlin_leak;", "")).await.unwrap();
    let set = texts(&[
        "SET search_path = elsewhere; CREATE TABLE a (id int); SET statement_timeout = 500; SET lock_timeout = 500",
        "CREATE TABLE b (id int); SELECT pg_sleep(0.7)",
        "SET ROLE dunlin_leak; CREATE TABLE c (id int)",
        "CREATE TABLE d (id int); SET SESSION AUTHORIZATION dunlin_leak",
        "SELECT set_config('search_path', '', false); RESET ALL; SET TIME ZONE 'Asia/Tokyo'; SET DateStyle = 'German'",
        "CREATE TABLE e (id int); SET standard_conforming_strings = off; SET default_transaction_read_only = on",
        "CREATE TEMP TABLE dunlin_history (id int); CREATE TABLE public.f (id int)",
        "CREATE TABLE g AS SELECT current_user AS role, current_setting('search_path') AS path, current_setting('TimeZone') AS zone",
    ]);
    let report = run(&mut client, set).await.unwrap();
    assert_eq!(report.applied().count(), 8);
    for table in ["elsewhere.a", "public.b", "public.c", "public.d", "public.e", "public.f"] {
        assert!(exists(&client, table).await, "{table}");
    }
    let row = client.query_one("SELECT role, path, zone <> 'Asia/Tokyo' FROM public.g", &[]).await.unwrap();
    let (role, path): (String, String) = (row.get(0), row.get(1));
    assert_ne!(role, "dunlin_leak");
    assert_eq!(path, "\"$user\", public");
    assert!(row.get::<_, bool>(2));
    // Nor does the session keep anything: it is the caller's.
    let row = client
        .query_one("SELECT current_setting('search_path'), current_setting('lock_timeout')", &[])
        .await
        .unwrap();
    assert_eq!((row.get(0), row.get(1)), ("\"$user\", public", "0"));
    assert_eq!(left_behind(&client).await, (0, 0));
    client.batch_execute("DROP OWNED BY dunlin_leak").await.unwrap();
}

#[tokio::test]
async fn f11_a_role_s_timeouts_are_for_its_queries_not_for_migrations() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let settings = [
        "statement_timeout = '500ms'",
        "idle_in_transaction_session_timeout = '500ms'",
        "default_transaction_isolation = 'serializable'",
    ];
    for setting in settings {
        client.batch_execute(&format!("ALTER DATABASE \"{}\" SET {setting}", database.name())).await.unwrap();
    }
    drop(std::mem::replace(&mut client, database.connect().await.unwrap()));
    run(&mut client, texts(&["SELECT pg_sleep(0.7)", "CREATE TABLE a (id int)"])).await.unwrap();
    assert_eq!(history(&client).await, "1 applied, 2 applied");
}

#[tokio::test]
async fn verify_runs_in_the_migration_s_transaction_and_leaves_nothing() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let verify = "INSERT INTO a VALUES (1); SELECT count(*) = 1 AS one FROM a; DROP TABLE a; SELECT 'f' AS text, 1 AS number";
    let set = MigrationSet::builder().migration(migration(
        1,
        "CREATE TABLE a (id int)",
        "DROP TABLE a",
        Some(verify),
    ));
    run(&mut client, set.build().unwrap()).await.unwrap();
    let rows: i64 = client.query_one("SELECT count(*) FROM a", &[]).await.unwrap().get(0);
    assert_eq!(rows, 0);
}

#[tokio::test]
async fn a_verify_script_that_says_false_or_null_undoes_the_migration() {
    for (said, expected) in [("false", "false"), ("NULL::boolean", "NULL")] {
        let database = database().await;
        let mut client = database.connect().await.unwrap();
        let verify = format!("SELECT true;\nSELECT 1 AS number,\n  {said} AS holds");
        let set = MigrationSet::builder()
            .sql(1, "first", "CREATE TABLE a (id int)")
            .migration(migration(2, "CREATE TABLE b (id int)", "SELECT 1", Some(&verify)))
            .sql(3, "third", "CREATE TABLE c (id int)");
        let error = run(&mut client, set.build().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Verify);
        let expected = format!(
            "migration 2 (m2) did not verify at 2_m2.verify.sql:2:1: column `holds` is {expected}: `SELECT 1 AS number, {said} AS \
             holds`; nothing of it remains: mend it and run again (one migration was done before it)"
        );
        assert_eq!(error.to_string(), expected);
        assert!(exists(&client, "a").await && !exists(&client, "b").await && !exists(&client, "c").await);
        assert_eq!(events(&client).await, "1 applied, 2 failed");
        assert_eq!(left_behind(&client).await, (0, 0));
    }
}

#[tokio::test]
async fn all_or_nothing_leaves_nothing() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let migrator = |last: &str| {
        let set = texts(&["CREATE TABLE a (id int)", "CREATE TABLE b (id int)", last]);
        Migrator::new(set).transaction(TransactionPolicy::AllOrNothing)
    };
    let error = migrator("SELECT 1/0").run(&mut client, Target::Latest).await.unwrap_err();
    assert_eq!((error.kind(), error.report().applied().count()), (ErrorKind::Migration, 0));
    assert_eq!(error.migration().unwrap().version(), 3);
    assert!(!exists(&client, "a").await);
    assert_eq!(history(&client).await, "");
    let report = migrator("CREATE TABLE c (id int)").run(&mut client, Target::Latest).await.unwrap();
    assert_eq!((report.applied().count(), report.state()), (3, State::Current));
    assert_eq!(history(&client).await, "1 applied, 2 applied, 3 applied");
    assert_eq!(run(&mut client, numbered(0)).await.unwrap().state(), State::Ahead);
}

/// Writes initials, with the application's own separator, and reports its progress.
struct Initials;

struct Separator(&'static str);

impl RustMigration for Initials {
    const REVERSIBLE: bool = true;

    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        let Separator(separator) = cx.resource().ok_or("no separator")?;
        let sql = "UPDATE people SET initials = left(first, 1) || $1 || left(last, 1)";
        let done = cx.client().execute(sql, &[separator]).await?;
        cx.progress(done, done);
        Ok(())
    }

    async fn down(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        cx.client().batch_execute("UPDATE people SET initials = NULL").await?;
        Ok(())
    }

    async fn verify(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        let sql = "SELECT count(*) FROM people WHERE initials IS NULL";
        let missing: i64 = cx.client().query_one(sql, &[]).await?.get(0);
        cx.client().batch_execute("DELETE FROM people").await?;
        if missing == 0 { Ok(()) } else { Err(format!("{missing} people have no initials").into()) }
    }
}

fn people(insert: &str) -> MigrationSet {
    let table = "CREATE TABLE people (first text, last text, initials text)";
    let set =
        MigrationSet::builder().sql(1, "people", format!("{table}; {insert}")).rust(2, "initials", Initials);
    set.sql(3, "not_null", "ALTER TABLE people ALTER initials SET NOT NULL").build().unwrap()
}

#[tokio::test]
async fn a_rust_migration_takes_its_place_between_sql() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let migrator = Migrator::new(people("INSERT INTO people VALUES ('Ada', 'Lovelace')"))
        .resource(Separator("."))
        .on_progress(move |progress| {
            let line = match progress {
                Progress::Planned { plan, .. } => format!("planned {}", plan.steps().len()),
                Progress::Started { id, direction, .. } => format!("{direction} {}", id.version()),
                Progress::Advanced { id, done, total, .. } => format!("{} {done}/{total}", id.version()),
                Progress::Finished { id, .. } => format!("done {}", id.version()),
                other => format!("{other:?}"),
            };
            tell.lock().unwrap().push(line);
        });
    migrator.run(&mut client, Target::Latest).await.unwrap();
    let initials: String = client.query_one("SELECT initials FROM people", &[]).await.unwrap().get(0);
    assert_eq!(initials, "A.L");
    let told = told.lock().unwrap().join(", ");
    assert_eq!(told, "planned 3, up 1, up 2, done 1, 2 1/1, done 2, up 3, done 3");
    let verification = migrator.verify(&mut client).await.unwrap();
    assert_eq!((verification.verified().len(), verification.without_script()), (1, 2));
}

#[tokio::test]
async fn what_fails_in_rust_is_the_cause_of_the_error() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    // The hook has no resource.
    let error = run(&mut client, people("")).await.unwrap_err();
    insta::assert_debug_snapshot!(error, @"
    migration 2 (initials) failed in its Rust code; nothing of it remains: mend it and run again (one migration was done before it)
      caused by: no separator
    ");
    // A row has no last name: its initials are NULL, and verify says so.
    let migrator = Migrator::new(people("")).resource(Separator("."));
    client.batch_execute("INSERT INTO people VALUES ('Plato')").await.unwrap();
    let error = migrator.run(&mut client, Target::Latest).await.unwrap_err();
    insta::assert_debug_snapshot!(error, @"
    migration 2 (initials) did not verify: its Rust code says so; nothing of it remains: mend it and run again
      caused by: 1 people have no initials
    ");
    assert_eq!(history(&client).await, "1 applied");
    assert_eq!(left_behind(&client).await, (0, 0));
}

#[tokio::test]
async fn f55_a_table_s_lock_is_waited_for_in_short_tries() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let other = database.connect().await.unwrap();
    run(&mut client, texts(&["CREATE TABLE a (id int)"])).await.unwrap();
    let set = texts(&["CREATE TABLE a (id int)", "CREATE TABLE b (id int)", "ALTER TABLE a ADD name text"]);
    let migrator = Migrator::new(set).lock_timeout(Duration::from_millis(20));

    other.batch_execute("BEGIN; SELECT * FROM a").await.unwrap();
    let error =
        migrator.clone().deadline(Duration::from_secs(2)).run(&mut client, Target::Latest).await.unwrap_err();
    assert_eq!(error.code().map(|code| code.code().to_owned()).as_deref(), Some("55P03"));
    assert!(error.report().retries() > 0);
    assert_eq!(error.report().applied().count(), 1, "what came before it is applied once");

    let (sender, receiver) = std::sync::mpsc::channel();
    let migrator = migrator.on_progress(move |progress| {
        if let Progress::Retrying { .. } = progress {
            let _ = sender.send(());
        }
    });
    let run = async { migrator.run(&mut client, Target::Latest).await };
    let release = async {
        while receiver.try_recv().is_err() {
            tokio::task::yield_now().await;
        }
        other.batch_execute("COMMIT").await.unwrap();
    };
    let (report, ()) = futures_util::future::join(run, release).await;
    let report = report.unwrap();
    assert_eq!((report.applied().count(), report.state()), (1, State::Current));
    assert!(report.retries() >= 1);
}

#[tokio::test]
async fn a_directive_sets_a_migration_s_own_timeouts() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let set = texts(&[
        "-- dunlin: lock-timeout = 3s\n-- dunlin: statement-timeout = 7s\n\
         CREATE TABLE a AS SELECT current_setting('lock_timeout') AS lock, current_setting('statement_timeout') AS statement",
        "CREATE TABLE b AS SELECT current_setting('lock_timeout') AS lock, current_setting('statement_timeout') AS statement",
    ]);
    run(&mut client, set).await.unwrap();
    let rows = client.query("TABLE a UNION ALL TABLE b ORDER BY 2 DESC", &[]).await.unwrap();
    let settings: Vec<(String, String)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(settings, [("3s".into(), "7s".into()), ("200ms".into(), "0".into())]);
}

#[tokio::test]
async fn a_stamp_declares_without_running() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let migrator = Migrator::new(numbered(3));
    let report = migrator.stamp(&mut client, Target::Version(2)).await.unwrap();
    assert_eq!(report.applied().count(), 2);
    assert!(!exists(&client, "t1").await);
    let report = migrator.run(&mut client, Target::Latest).await.unwrap();
    assert_eq!(report.applied().count(), 1);
    let status = migrator.status(&client).await.unwrap();
    let origins: Vec<_> = status.records().iter().map(|record| record.origin().to_string()).collect();
    assert_eq!(origins, ["stamp", "stamp", "run"]);
    // Back again, and the fast path agrees with every step.
    migrator.stamp(&mut client, Target::Version(1)).await.unwrap();
    assert_eq!(history(&client).await, "1 applied");
    migrator.stamp(&mut client, Target::Latest).await.unwrap();
    assert_eq!(migrator.run(&mut client, Target::Latest).await.unwrap().flights(), 1);
}

#[tokio::test]
async fn who_applied_what_is_in_the_history() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let migrator = Migrator::new(texts(&["SELECT pg_sleep(0.01)"])).application("orders 1.4.2");
    migrator.run(&mut client, Target::Latest).await.unwrap();
    let status = migrator.status(&client).await.unwrap();
    let record = &status.records()[0];
    assert_eq!(
        (record.application(), record.applied_by()),
        (Some("orders 1.4.2"), database.config().get_user().unwrap())
    );
    assert!(record.took() >= Duration::from_millis(10));
    assert!(record.applied_at().elapsed().unwrap() < Duration::from_secs(60));
    assert_eq!(events(&client).await, "1 applied");
}

#[tokio::test]
async fn ensure_current_only_looks() {
    let database = database().await;
    let client = database.connect().await.unwrap();
    let error = Migrator::new(numbered(2)).ensure_current(&client).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Behind);
    insta::assert_snapshot!(error, @"the database is behind this program: 2 pending, from 1 (create_t1); migrate it first");
    assert!(!exists(&client, "dunlin_history").await);
}

#[tokio::test]
async fn plans_reports_and_statuses_are_for_machines_too() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let migrator = Migrator::new(texts(&["SELECT 1", "-- dunlin: no-transaction\nVACUUM"]));
    let plan = serde_json::to_string(&migrator.plan(&client, Target::Version(2)).await.unwrap()).unwrap();
    insta::assert_snapshot!(plan, @r#"{"target":"version 2","state":"behind","steps":[{"id":{"version":1,"name":"m1"},"direction":"up","transaction":true,"resume_at":null},{"id":{"version":2,"name":"m2"},"direction":"up","transaction":false,"resume_at":null}],"findings":[]}"#);
    let report = serde_json::to_value(migrator.run(&mut client, Target::Latest).await.unwrap()).unwrap();
    assert_eq!((&report["state"], &report["done"][1]["id"]["version"]), (&"current".into(), &2.into()));
    assert!(report["took_us"].as_u64().unwrap() > 0);
    let status = serde_json::to_value(migrator.status(&client).await.unwrap()).unwrap();
    assert_eq!(status["records"][0]["origin"], "run");
    assert!(status["records"][0]["applied_at_us"].as_u64().unwrap() > 1_700_000_000_000_000);
}
