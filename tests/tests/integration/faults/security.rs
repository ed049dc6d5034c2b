//! G. Security.

use dunlin::{
    BoxError, Context, ErrorKind, HistoryTable, MigrationSet, Migrator, RustMigration, State, Target,
};
use tests::database;
use tokio_postgres::Client;

use super::{connect, forget, role};
use crate::support::{exists, history, migration, numbered, run, texts};

async fn count(client: &Client, from: &str) -> i64 {
    client.query_one(&format!("SELECT count(*) FROM {from}"), &[]).await.unwrap().get(0)
}

/// Puts a function or operator of a name that the library uses, or could use by mistake, in the path before the server's
/// own. Whoever calls it is written down.
const HIJACK: &str = r#"
CREATE TABLE public.caught (who text, what text);
GRANT INSERT ON public.caught TO PUBLIC;
DO $$
DECLARE f record; call text;
BEGIN
  FOR f IN
    SELECT p.proname, pg_get_function_identity_arguments(p.oid) AS arguments, pg_get_function_result(p.oid) AS result
    FROM pg_proc AS p
    WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND NOT p.proretset AND p.provariadic = 0
      AND p.proname IN ('set_config', 'current_setting', 'pg_try_advisory_lock', 'pg_advisory_unlock', 'to_regclass',
        'pg_try_advisory_xact_lock', 'clock_timestamp', 'int8', 'floor', 'pg_has_role', 'obj_description', 'length',
        'left', 'lower', 'strpos', 'version', 'pg_is_in_recovery', 'statement_timestamp', 'transaction_timestamp',
        'quote_ident', 'format', 'pg_backend_pid', 'current_database', 'pg_current_xact_id_if_assigned')
  LOOP
    EXECUTE format('CREATE FUNCTION public.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L', f.proname, f.arguments, f.result,
      format('BEGIN INSERT INTO public.caught VALUES (current_user, %L); RETURN NULL; END', f.proname));
  END LOOP;
  FOR f IN
    SELECT o.oprname, o.oprleft::regtype AS l, o.oprright::regtype AS r FROM pg_operator AS o
    WHERE o.oprname IN ('=', '<>', '>', '<', '~', '||') AND o.oprresult IN ('bool'::regtype, 'text'::regtype)
      AND (o.oprleft, o.oprright) IN (('text'::regtype, 'text'::regtype), ('int8'::regtype, 'int8'::regtype),
        ('int4'::regtype, 'int4'::regtype), ('name'::regtype, 'text'::regtype), ('oid'::regtype, 'oid'::regtype),
        ('name'::regtype, 'name'::regtype), ('timestamptz'::regtype, 'timestamptz'::regtype))
  LOOP
    EXECUTE format('CREATE OR REPLACE FUNCTION public.hijack(%s, %s) RETURNS bool LANGUAGE plpgsql AS %L', f.l, f.r,
      'BEGIN INSERT INTO public.caught VALUES (current_user, ''operator''); RETURN true; END');
    EXECUTE format('CREATE OPERATOR public.%s (FUNCTION = public.hijack, LEFTARG = %s, RIGHTARG = %s)',
      f.oprname, f.l, f.r);
  END LOOP;
END $$
"#;

#[tokio::test]
async fn f63_what_a_stranger_puts_in_the_path_is_never_called() {
    let database = database().await;
    let owner = database.connect().await.unwrap();
    owner.batch_execute("GRANT CREATE ON SCHEMA public TO PUBLIC").await.unwrap();
    let (name, config) = role(&database, "stranger").await;
    connect(&config).await.batch_execute(HIJACK).await.unwrap();
    let path = format!("ALTER DATABASE \"{}\" SET search_path = public, pg_catalog", database.name());
    owner.batch_execute(&path).await.unwrap();

    let mut client = database.connect().await.unwrap();
    let outside = "-- dunlin: no-transaction\nCREATE INDEX CONCURRENTLY t_id ON t (id); VACUUM t";
    let set = |last: &str| {
        MigrationSet::builder()
            .migration(migration(1, "CREATE TABLE t (id int)", "DROP TABLE t", Some("SELECT true")))
            .migration(migration(2, outside, "-- dunlin: no-transaction\nDROP INDEX CONCURRENTLY t_id", None))
            .migration(migration(3, last, "SELECT 3", None))
            .build()
            .unwrap()
    };
    run(&mut client, set("SELECT nonsense")).await.unwrap_err();
    let migrator = Migrator::new(set("SELECT 3"));
    migrator.run(&mut client, Target::Latest).await.unwrap();
    assert_eq!(migrator.run(&mut client, Target::Latest).await.unwrap().state(), State::Current);
    migrator.status(&client).await.unwrap();
    migrator.verify(&mut client).await.unwrap();
    migrator.run(&mut client, Target::Base).await.unwrap();
    migrator.stamp(&mut client, Target::Latest).await.unwrap();
    let caught = client.query("SELECT DISTINCT what FROM public.caught", &[]).await.unwrap();
    let caught: Vec<String> = caught.iter().map(|row| row.get(0)).collect();
    assert_eq!(caught, Vec::<String>::new());
    // The trap works: a migration's own text runs with the configured path.
    client.batch_execute("SELECT set_config('a.b', 'c', false)").await.unwrap();
    assert_eq!(count(&client, "public.caught").await, 1);
    forget(&database, &name).await;
}

#[tokio::test]
async fn f64_a_history_that_a_stranger_has_made_is_refused() {
    let database = database().await;
    let owner = database.connect().await.unwrap();
    owner.batch_execute("GRANT CREATE ON SCHEMA public TO PUBLIC").await.unwrap();
    let ((stranger, strange), (name, own)) =
        (role(&database, "stranger").await, role(&database, "migrator").await);
    // A true history, with the stranger as its owner.
    run(&mut connect(&strange).await, texts(&["SELECT 1"])).await.unwrap();
    owner.batch_execute(&format!("GRANT ALL ON ALL TABLES IN SCHEMA public TO \"{name}\"")).await.unwrap();
    let mut client = connect(&own).await;
    let error = run(&mut client, texts(&["SELECT 1", "SELECT 2"])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::History);
    insta::assert_snapshot!(error, @r#"the history "public"."dunlin_history" has an event log or a digest beside it that is no plain table, belongs to a role that this one is no member of, or has triggers, rules or row security: look at who made it, and mend or drop it"#);
    assert_eq!(history(&client).await, "1 applied");
    forget(&database, &stranger).await;
    forget(&database, &name).await;
}

#[tokio::test]
async fn f65_a_name_is_a_name_whatever_is_in_it() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    client.batch_execute("CREATE TABLE keep (id int)").await.unwrap();
    let nasty = "h\"; DROP TABLE keep; --";
    let table = HistoryTable::new("s'; DROP TABLE keep; --\\", nasty).unwrap();
    let set = MigrationSet::builder().sql(1, "'; DROP TABLE keep; --\\", "SELECT 1").build().unwrap();
    let migrator = Migrator::new(set).history(table).application("a'; DROP TABLE keep; --\\");
    migrator.run(&mut client, Target::Latest).await.unwrap();
    assert_eq!(migrator.run(&mut client, Target::Latest).await.unwrap().flights(), 1);
    let status = migrator.status(&client).await.unwrap();
    let record = &status.records()[0];
    assert_eq!(
        (record.id().name(), record.application()),
        ("'; DROP TABLE keep; --\\", Some("a'; DROP TABLE keep; --\\"))
    );
    assert!(exists(&client, "keep").await);
    // The server would cut a longer one, and two names could be one.
    HistoryTable::new("public", "x".repeat(64)).unwrap_err();
    HistoryTable::new("public", "a\0b").unwrap_err();
}

/// Runs a text.
struct Runs(String);

impl RustMigration for Runs {
    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        Ok(cx.client().batch_execute(&self.0).await?)
    }
}

#[tokio::test]
async fn f66_no_secret_of_a_migration_is_in_a_text_or_in_the_history() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let config = database.config();
    let there = format!("CREATE ROLE \"{}\" LOGIN PASSWORD 'hunter2'", config.get_user().unwrap());
    let outside = format!("-- dunlin: no-transaction\n{there}");
    let code = Runs(there.clone());
    let sets = [
        texts(&["SELECT 1", &there]),
        texts(&["SELECT 1", &outside]),
        texts(&["SELECT 1", "SELECT 'hunter2'::int"]),
        MigrationSet::builder().sql(1, "m1", "SELECT 1").rust(2, "m2", code).build().unwrap(),
    ];
    for set in sets {
        let migrator = Migrator::new(set);
        let error = migrator.run(&mut client, Target::Latest).await.unwrap_err();
        let told = format!("{error} {error:?} {migrator:?} {:?}", error.report());
        assert!(!told.contains("hunter2"), "{told}");
        migrator.stamp(&mut client, Target::Version(1)).await.unwrap();
    }
    for table in ["dunlin_history", "dunlin_history_events", "dunlin_history_head"] {
        assert_eq!(
            count(&client, &format!("{table} AS t WHERE t::text LIKE '%hunter2%'")).await,
            0,
            "{table}"
        );
    }
}

#[tokio::test]
async fn f67_the_role_that_migrates_owns_a_schema_and_the_application_s_only_looks() {
    let database = database().await;
    let owner = database.connect().await.unwrap();
    let ((migrating, migrates), (application, looks)) =
        (role(&database, "migrator").await, role(&database, "application").await);
    owner.batch_execute(&format!("CREATE SCHEMA app AUTHORIZATION \"{migrating}\"")).await.unwrap();
    let migrator = |count| {
        let table = HistoryTable::new("app", "dunlin_history").unwrap();
        Migrator::new(numbered(count)).history(table).search_path("app")
    };
    let mut client = connect(&migrates).await;
    migrator(2).run(&mut client, Target::Latest).await.unwrap();
    let grants = format!(
        "GRANT USAGE ON SCHEMA app TO \"{application}\"; \
         GRANT SELECT ON app.dunlin_history, app.dunlin_history_head TO \"{application}\""
    );
    client.batch_execute(&grants).await.unwrap();

    let mut client = connect(&looks).await;
    assert_eq!(migrator(2).ensure_current(&client).await.unwrap(), State::Current);
    assert_eq!(migrator(3).ensure_current(&client).await.unwrap_err().kind(), ErrorKind::Behind);
    assert_eq!(migrator(2).run(&mut client, Target::Latest).await.unwrap().flights(), 1);
    migrator(3).run(&mut client, Target::Latest).await.unwrap_err();
    client.batch_execute("DELETE FROM app.dunlin_history").await.unwrap_err();
    assert!(!exists(&owner, "app.t3").await);
    forget(&database, &application).await;
    forget(&database, &migrating).await;
}
