//! What goes wrong is named: which migration, where in its file, what stays.

use dunlin::{BoxError, Context, ErrorKind, MigrationSet, RustMigration};
use tests::database;

use crate::support::{events, exists, history, left_behind, migration, run, texts};

#[tokio::test]
async fn a_syntax_error_in_the_third_of_five_leaves_two_and_the_next_boot_goes_on() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let set = |third: &str| {
        texts(&[
            "CREATE TABLE a (id int)",
            "CREATE TABLE b (id int)",
            third,
            "CREATE TABLE d (id int)",
            "CREATE TABLE e (id int)",
        ])
    };
    let error =
        run(&mut client, set("CREATE TABLE c (id int);\n  CREATE TABEL cc (id int)")).await.unwrap_err();
    assert_eq!((error.kind(), error.migration().unwrap().version()), (ErrorKind::Migration, 3));
    insta::assert_snapshot!(error, @r#"migration 3 (m3) failed at 3_m3.up.sql:2:10: syntax error at or near "TABEL" (SQLSTATE 42601); nothing of it remains: mend it and run again (2 migrations were done before it)"#);
    let applied: Vec<_> = error.report().applied().map(|done| done.id().version()).collect();
    assert_eq!(applied, [1, 2]);
    assert_eq!(history(&client).await, "1 applied, 2 applied");
    assert_eq!(events(&client).await, "1 applied, 2 applied, 3 failed 42601");
    assert!(!exists(&client, "c").await);
    assert_eq!(left_behind(&client).await, (0, 0));

    let report = run(&mut client, set("CREATE TABLE c (id int)")).await.unwrap();
    assert_eq!((report.applied().count(), report.already_applied()), (3, 2));
}

#[tokio::test]
async fn a_verified_migration_stays_when_the_next_can_not_be_read() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let verified =
        |n: i64| migration(n, &format!("CREATE TABLE v{n} (id int)"), "SELECT 1", Some("SELECT true"));
    let set =
        MigrationSet::builder().migration(verified(1)).migration(verified(2)).sql(3, "m3", "CREATE TABEL x");
    let error = run(&mut client, set.build().unwrap()).await.unwrap_err();
    assert_eq!((error.migration().unwrap().version(), error.report().applied().count()), (3, 2));
    assert_eq!(history(&client).await, "1 applied, 2 applied");
}

#[tokio::test]
async fn the_first_migration_s_syntax_error_is_found_too() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let error = run(&mut client, texts(&["CREATE TABEL a", "CREATE TABLE b (id int)"])).await.unwrap_err();
    assert_eq!(error.location().unwrap().to_string(), "1_m1.up.sql:1:8");
    assert_eq!(error.report().applied().count(), 0);
    assert_eq!(left_behind(&client).await, (0, 0));
}

#[tokio::test]
async fn positions_are_lines_and_columns_of_the_file_as_it_is() {
    let cases = [
        // A byte order mark, CRLF, and characters of two, three and four bytes before the place.
        ("\u{feff}-- größe\r\nSELECT 'ß€🐦';\r\nSELECT 'é' , missing;", "3:14"),
        ("-- dunlin: lock-timeout = 1s\n\n/* ü */ SELECT missing", "3:16"),
        // The server gives no position: the statement's is told.
        ("SELECT 'ä';\n\n  SELECT 1/0 -- ö", "3:3"),
        ("SELECT 1;\nDO $$ BEGIN\n  RAISE 'no';\nEND $$; SELECT 2", "2:1"),
        ("CREATE TABLE a (id int PRIMARY KEY);\nINSERT INTO a VALUES (1);\nINSERT INTO a VALUES (1)", "3:1"),
    ];
    for (text, expected) in cases {
        let database = database().await;
        let mut client = database.connect().await.unwrap();
        let error =
            run(&mut client, texts(&["CREATE TABLE before (id int)", text, "SELECT 1"])).await.unwrap_err();
        let location = error.location().unwrap_or_else(|| panic!("{error}"));
        assert_eq!(format!("{}:{}", location.line(), location.column()), expected, "{error}");
        assert_eq!((location.file(), error.report().applied().count()), ("2_m2.up.sql", 1), "{error}");
    }
}

#[tokio::test]
async fn f66_what_a_row_holds_is_in_no_text() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let text = "CREATE TABLE a (email text PRIMARY KEY); INSERT INTO a VALUES ('ada@example.org'), ('ada@example.org')";
    let error = run(&mut client, texts(&[text])).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("ada@"), "{error:?}");
    assert!(error.detail().unwrap().contains("ada@example.org"));
    assert_eq!(error.code().unwrap().code(), "23505");
}

#[tokio::test]
async fn a_constraint_that_fails_at_commit_is_the_migration_s_error() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let late = "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int REFERENCES p DEFERRABLE INITIALLY DEFERRED);\
                INSERT INTO c VALUES (1)";
    let error = run(&mut client, texts(&["CREATE TABLE a (id int)", late, "SELECT 1"])).await.unwrap_err();
    assert_eq!((error.kind(), error.migration().unwrap().version()), (ErrorKind::Migration, 2));
    assert_eq!(error.report().applied().count(), 1);
    assert_eq!(history(&client).await, "1 applied");
    assert_eq!(left_behind(&client).await, (0, 0));
}

#[test]
fn f38_a_commit_in_a_script_is_refused_with_its_place() {
    let error = MigrationSet::builder()
        .sql(1, "half", "CREATE TABLE a (id int);\n  COMMIT;\nSELECT 1")
        .build()
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Script);
    assert_eq!(error.location().unwrap().to_string(), "1_half.up.sql:2:3");
    insta::assert_snapshot!(error, @"1_half.up.sql:2:3: `COMMIT` can't be used in a migration: dunlin begins and commits by itself; remove it");
}

/// Ends the transaction that it was lent.
struct Commits(&'static str);

impl RustMigration for Commits {
    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        cx.client().batch_execute(self.0).await?;
        Ok(())
    }
}

#[tokio::test]
async fn f38_a_commit_that_no_text_shows_is_found_out_before_the_history_is_written() {
    for hidden in ["CREATE TABLE a (id int); COMMIT", "CREATE TABLE a (id int); COMMIT; BEGIN"] {
        let database = database().await;
        let mut client = database.connect().await.unwrap();
        let set = MigrationSet::builder()
            .rust(1, "hidden", Commits(hidden))
            .sql(2, "next", "SELECT 1")
            .build()
            .unwrap();
        let error = run(&mut client, set).await.unwrap_err();
        assert_eq!((error.kind(), error.migration().unwrap().version()), (ErrorKind::TransactionEnded, 1));
        insta::allow_duplicates! {
            insta::assert_snapshot!(error, @"migration 1 (hidden) ended the transaction that it runs in: remove its COMMIT or ROLLBACK, or make it `-- dunlin: no-transaction`; what it had done before may have been kept without a record: check it, then `stamp` or undo it by hand");
        }
        assert_eq!((history(&client).await, events(&client).await), (String::new(), "1 failed".to_owned()));
        assert_eq!(left_behind(&client).await, (0, 0));
    }
}

#[tokio::test]
async fn f38_a_commit_inside_a_block_is_refused_by_the_server_and_undone() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let text = "CREATE TABLE a (id int);\nDO $$ BEGIN COMMIT; END $$";
    let error = run(&mut client, texts(&[text])).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "2D000");
    assert_eq!(error.location().unwrap().to_string(), "1_m1.up.sql:2:1");
    assert!(!exists(&client, "a").await);
}

#[tokio::test]
async fn f66_a_server_that_is_not_there_is_told_without_the_password() {
    let config: tokio_postgres::Config = "host=/nowhere user=me password=secret dbname=x".parse().unwrap();
    let migrator = dunlin::Migrator::new(texts(&["SELECT 1"]));
    let error = dunlin::migrate(&config, tokio_postgres::NoTls, &migrator).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(!format!("{error:?}").contains("secret"));
    insta::assert_snapshot!(error, @"can't connect to PostgreSQL: check the address, the credentials and that the server runs");
}

#[tokio::test]
async fn a_connection_that_is_cut_is_told_and_the_next_run_goes_on() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let set = || texts(&["CREATE TABLE a (id int)", "SELECT pg_terminate_backend(pg_backend_pid())"]);
    let error = run(&mut client, set()).await.unwrap_err();
    assert_eq!(error.report().applied().count(), 1, "{error}");
    let client = database.connect().await.unwrap();
    assert_eq!(history(&client).await, "1 applied");
    assert_eq!(left_behind(&client).await, (0, 0));
}

#[tokio::test]
async fn f64_a_table_that_only_looks_like_a_history_is_refused() {
    let cases = [
        ("CREATE TABLE dunlin_history (id int)", "is not laid out as dunlin's"),
        ("CREATE VIEW dunlin_history AS SELECT 1 AS id", "is not a plain, permanent table"),
        ("CREATE UNLOGGED TABLE dunlin_history (id int)", "is not a plain, permanent table"),
    ];
    for (made, expected) in cases {
        let database = database().await;
        let mut client = database.connect().await.unwrap();
        client.batch_execute(made).await.unwrap();
        let error = run(&mut client, texts(&["SELECT 1"])).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::History);
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(left_behind(&client).await, (0, 0));
    }
    let tampered = [
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
         CREATE TRIGGER t BEFORE INSERT ON dunlin_history FOR EACH ROW EXECUTE FUNCTION f()",
        "CREATE RULE r AS ON INSERT TO dunlin_history DO INSTEAD NOTHING",
        "ALTER TABLE dunlin_history ENABLE ROW LEVEL SECURITY",
    ];
    for tampering in tampered {
        let database = database().await;
        let mut client = database.connect().await.unwrap();
        run(&mut client, texts(&["SELECT 1"])).await.unwrap();
        client.batch_execute(tampering).await.unwrap();
        let error = run(&mut client, texts(&["SELECT 1", "SELECT 2"])).await.unwrap_err();
        assert!(error.to_string().contains("has triggers, rules or row security"), "{error}");
    }
}

#[tokio::test]
async fn f66_a_value_that_a_server_of_another_language_quotes_is_in_no_text() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let message = "ungültige Eingabesyntax für Typ integer: »geheim«";
    let raise = format!("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '22P02', MESSAGE = '{message}'; END $$");
    let error = run(&mut client, texts(&[&raise])).await.unwrap_err();
    assert!(!format!("{error:?}").contains("geheim"), "{error:?}");
    assert_eq!(error.detail(), Some(message));
}
