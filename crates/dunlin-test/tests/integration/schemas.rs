//! What a schema does not depend on, and what can be done with it.

mod kinds;

use dunlin_core::{HistoryTable, MigrationSet, Migrator, Target};
use dunlin_test::{Database, Difference, ErrorKind, ObjectKind, Schema, SchemaDiff, Server};
use tokio::sync::OnceCell;
use tokio_postgres::Client;

/// One server for all tests of this process, which its watchdog stops.
static SERVER: OnceCell<Server> = OnceCell::const_new();

pub(crate) async fn database() -> Database {
    let server = SERVER.get_or_init(|| async { Server::start().await.unwrap() }).await;
    server.create_database().await.unwrap()
}

/// Runs the statements one by one, as `psql` does.
async fn run(client: &Client, statements: &str) {
    for statement in statements.split(";\n") {
        client.batch_execute(statement).await.unwrap();
    }
}

/// What the second script changes in a database that the first one has made.
async fn diff(base: &str, change: &str) -> SchemaDiff {
    let database = database().await;
    let client = database.connect().await.unwrap();
    run(&client, base).await;
    let before = Schema::read(&client).await.unwrap();
    run(&client, change).await;
    let after = Schema::read(&client).await.unwrap();
    let diff = before.diff(&after);
    assert_eq!(diff.is_empty(), before == after);
    diff
}

#[tokio::test]
async fn a_new_database_holds_what_every_new_database_holds() {
    let schema = Schema::read(&database().await.connect().await.unwrap()).await.unwrap();
    insta::assert_snapshot!(schema, @"
    schema public
      comment: standard public schema
    extension plpgsql
      version: 1.0
      schema: pg_catalog
      comment: PL/pgSQL procedural language
    ");
}

#[tokio::test]
async fn owners_and_privileges_are_told_when_they_are_asked_for() {
    let database = database().await;
    let client = database.connect().await.unwrap();
    run(&client, "CREATE TABLE a (n int);\nCREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'").await;
    let both = async || {
        (Schema::read(&client).await.unwrap(), Schema::reader().privileges().read(&client).await.unwrap())
    };
    let (plain, whole) = both().await;
    let owner: String = client.query_one("SELECT current_user::text", &[]).await.unwrap().get(0);
    let change = "GRANT SELECT ON a TO PUBLIC;\nGRANT UPDATE (n) ON a TO pg_monitor;\nREVOKE ALL ON FUNCTION f FROM PUBLIC;\n\
                  ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC";
    run(&client, change).await;
    let (plain_after, whole_after) = both().await;
    assert_eq!(plain, plain_after);
    let told = whole.diff(&whole_after).to_string().replace(&owner, "OWNER");
    // PostgreSQL 17 has one more: MAINTAIN.
    insta::assert_snapshot!(told.replace("Dxtm", "Dxt"), @"
      table public.a
    +   privileges: =r/OWNER, OWNER=arwdDxt/OWNER
    +   privileges on n: pg_monitor=w/OWNER
      function public.f()
    +   privileges: OWNER=X/OWNER
    + default privileges of OWNER in public on tables
    +   privileges: =r/OWNER
    ");

    // What was granted and taken back leaves no difference, though the catalog has a row that was not there.
    run(&client, "REVOKE SELECT ON a FROM PUBLIC;\nREVOKE UPDATE (n) ON a FROM pg_monitor;\nGRANT EXECUTE ON FUNCTION f TO PUBLIC;\n\
                  ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE SELECT ON TABLES FROM PUBLIC").await;
    insta::assert_snapshot!(whole.diff(&both().await.1), @"");
}

#[tokio::test]
async fn the_path_of_the_reader_changes_nothing_and_stays_what_it_was() {
    let database = database().await;
    let client = database.connect().await.unwrap();
    let base = "CREATE SCHEMA x;\nCREATE TYPE x.e AS ENUM ('a');\nCREATE TABLE x.a (n int PRIMARY KEY, e x.e DEFAULT 'a');\n\
                CREATE TABLE b (n int REFERENCES x.a);\nCREATE INDEX i ON x.a (e);\nCREATE VIEW x.v AS SELECT * FROM x.a, b AS b(m);\n\
                CREATE FUNCTION x.f(x.e) RETURNS x.a LANGUAGE sql AS 'SELECT * FROM x.a'";
    run(&client, base).await;
    let wanted = Schema::read(&client).await.unwrap();
    for path in ["x", "x, public", "public, x, pg_catalog", "''", "pg_temp"] {
        client.batch_execute(&format!("SET search_path = {path}")).await.unwrap();

        assert_eq!(Schema::read(&client).await.unwrap(), wanted, "{path}");

        let row = client.query_one("SHOW search_path", &[]).await.unwrap();
        assert_eq!(row.get::<_, String>(0).replace("\"\"", "''"), path);
    }
}

#[tokio::test]
async fn a_function_or_a_table_of_the_readers_own_is_not_taken_for_the_catalogs() {
    let database = database().await;
    let client = database.connect().await.unwrap();
    let empty = Schema::read(&client).await.unwrap();
    let base = "CREATE TEMP TABLE pg_class (oid oid);\nCREATE TEMP TABLE pg_namespace (oid oid);\nSET search_path = pg_temp, pg_catalog";
    run(&client, base).await;

    assert_eq!(Schema::read(&client).await.unwrap(), empty, "what is temporary is nobody else's");
}

#[tokio::test]
async fn in_a_transaction_it_reads_what_the_transaction_sees_and_leaves_it_open() {
    let database = database().await;
    let client = database.connect().await.unwrap();
    run(&client, "BEGIN;\nSET LOCAL search_path = pg_catalog;\nCREATE TABLE public.a ()").await;

    let inside = Schema::read(&client).await.unwrap();

    assert!(inside.get(ObjectKind::Table, "public.a").is_some());
    let path = client.query_one("SHOW search_path", &[]).await.unwrap();
    assert_eq!(path.get::<_, String>(0), "pg_catalog");
    client.batch_execute("ROLLBACK").await.unwrap();
    assert!(Schema::read(&client).await.unwrap().get(ObjectKind::Table, "public.a").is_none());

    run(&client, "BEGIN").await;
    client.batch_execute("SELECT 1/0").await.unwrap_err();
    let error = Schema::read(&client).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Schema);
    insta::assert_snapshot!(error, @"could not read what the database holds; see that the connection lives and that no transaction has failed on it");
}

#[tokio::test]
async fn two_databases_made_in_different_ways_are_equal() {
    let (one, other) = (database().await, database().await);
    let (one, other) = (one.connect().await.unwrap(), other.connect().await.unwrap());
    run(&one, "CREATE TABLE a (gone int, n int);\nCREATE INDEX i ON a (n);\nALTER TABLE a DROP gone, ADD t text NOT NULL, ADD PRIMARY KEY (t)").await;
    run(&other, "CREATE TABLE a (n int, t text PRIMARY KEY);\nINSERT INTO a VALUES (1, 'one');\nANALYZE a;\nCREATE INDEX i ON a (n)").await;

    let (one, other) = (Schema::read(&one).await.unwrap(), Schema::read(&other).await.unwrap());

    assert_eq!(one, other);
    assert_eq!(one.to_string(), other.to_string());
}

#[tokio::test]
async fn what_backfills_write_down_beside_the_history_is_left_out_with_it() {
    let tables = "CREATE TABLE dunlin_history_backfills (name text PRIMARY KEY);\n\
        CREATE TABLE dunlin_history_backfill_ranges (job text REFERENCES dunlin_history_backfills);\n\
        CREATE TABLE dunlin_history_backfill_quarantine (job text REFERENCES dunlin_history_backfills)";
    let diff = diff("CREATE TABLE birds ()", &format!("{tables};\nCREATE TABLE my_backfills ()")).await;
    let seen: Vec<_> = diff.iter().map(Difference::name).collect();
    assert_eq!(seen, ["public.my_backfills"]);
}

#[tokio::test]
async fn the_history_is_left_out_and_whatever_else_the_caller_names() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let empty = Schema::read(&client).await.unwrap();
    let run =
        async |migrator: Migrator, client: &mut Client| migrator.run(client, Target::Latest).await.unwrap();
    run(Migrator::new(MigrationSet::builder().build().unwrap()), &mut client).await;
    let migrator = Migrator::new(MigrationSet::builder().sql(1, "one", "SELECT 1").build().unwrap());
    run(migrator.clone(), &mut client).await;
    assert_eq!(Schema::read(&client).await.unwrap(), empty);

    let history = HistoryTable::new("public", "It's \\ mine").unwrap().beside_others();
    run(migrator.history(history.clone()), &mut client).await;
    let seen = empty.diff(&Schema::read(&client).await.unwrap());
    assert!(seen.iter().any(|difference| difference.name() == "public.\"It's \\ mine_head\""), "{seen}");

    // Its own place is known to be left out; the other one is named.
    let reader = Schema::reader().history(&history);
    let reader = ["", "_events", "_head"]
        .iter()
        .fold(reader, |reader, end| reader.without("public", format!("dunlin_history{end}")));
    assert_eq!(reader.read(&client).await.unwrap(), empty);
}

#[tokio::test]
async fn a_difference_can_be_looked_at_by_programs() {
    let diff = diff(
        "CREATE TABLE a (n int);\nCREATE TABLE gone ()",
        "ALTER TABLE a ADD t text;\nDROP TABLE gone;\nCREATE TABLE b ()",
    )
    .await;

    let named: Vec<_> = diff.iter().map(|difference| (difference.kind(), difference.name())).collect();

    let table = ObjectKind::Table;
    assert_eq!(named, [(table, "public.a"), (table, "public.b"), (table, "public.gone")]);
    let [Difference::Changed { attributes, .. }, Difference::Added(_), Difference::Removed(_)] =
        diff.iter().collect::<Vec<_>>()[..]
    else {
        panic!("{diff:?}")
    };
    let [attribute] = &attributes[..] else { panic!("{attributes:?}") };
    assert_eq!((attribute.name(), attribute.before(), attribute.after()), ("column t", None, Some("text")));
}
