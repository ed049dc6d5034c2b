use dunlin_core::{BoxError, Context, MigrationSet, RustMigration, TransactionMode};
use dunlin_test::checks;

use crate::checks::{outside, set};

#[tokio::test]
async fn statements_and_concurrent_indexes_can_be_resumed_anywhere() {
    let up = outside(
        "CREATE UNIQUE INDEX CONCURRENTLY i ON a (n); SET work_mem = '5MB'; INSERT INTO a VALUES (3); \
         CREATE TABLE b AS SELECT current_setting('work_mem') AS v; DROP INDEX CONCURRENTLY j; VACUUM a",
    );
    let down = outside(
        "DROP INDEX CONCURRENTLY i; DELETE FROM a WHERE n = 3; DROP TABLE b; CREATE INDEX CONCURRENTLY j ON a (n)",
    );
    let set = set(&[
        ("CREATE TABLE a (n int); INSERT INTO a VALUES (1), (2); CREATE INDEX j ON a (n)", "DROP TABLE a"),
        (&up, &down),
        ("CREATE TABLE c ()", ""),
    ]);
    insta::assert_snapshot!(checks::resumable(&set).await.unwrap(), @"1 migration checked");
}

#[tokio::test]
async fn a_block_that_was_done_and_not_recorded_is_run_again_and_told() {
    let block =
        outside("CREATE TABLE a (n int);\nDO $$ BEGIN CREATE TABLE b (); COMMIT; END $$;\nCREATE TABLE c ()");
    let set = set(&[(&block, ""), (&outside("VACUUM"), "")]);

    let error = checks::resumable(&set).await.unwrap_err();

    insta::assert_snapshot!(error, @r#"resumable: after applying it was cut off when statement 1 was recorded, in the next run, migration 1 (m1) failed at 1_m1.up.sql:3:1: relation "b" already exists (SQLSTATE 42P07); 1 of its 3 statements are done: mend statement 2 and run again, which goes on there"#);
    assert_eq!(error.failures()[0].migration().unwrap().version(), 1);
}

#[tokio::test]
async fn it_is_cut_off_behind_each_statement() {
    for place in 0..4 {
        let mut statements: Vec<_> = (1..4).map(|number| format!("CREATE TABLE t{number} ()")).collect();
        statements.insert(place, "DO $$ BEGIN CREATE TABLE b (); COMMIT; END $$".to_owned());
        let set = set(&[(&outside(&statements.join(";\n")), "")]);

        let error = checks::resumable(&set).await.unwrap_err().to_string();

        let recorded = match place {
            0 => "before a statement was recorded, ".to_owned(),
            _ => format!("when statement {place} was recorded, "),
        };
        assert!(error.contains(&recorded), "{place}: {error}");
        assert!(
            error.contains(&format!("failed at 1_m1.up.sql:{}:1: relation \"b\"", place + 2)),
            "{place}: {error}"
        );
    }
}

#[tokio::test]
async fn a_block_that_makes_something_else_the_second_time_is_told() {
    let block =
        outside("DO $$ BEGIN EXECUTE format('CREATE TABLE %I ()', 't' || nextval('s')); COMMIT; END $$");
    let set = set(&[("CREATE SEQUENCE s", ""), (&block, "")]);
    insta::assert_snapshot!(checks::resumable(&set).await.unwrap_err(), @"
    resumable: migration 2 (m2): after applying it was cut off before a statement was recorded, the next run makes another schema (- is what a run in peace makes, + is what is there):
      + table public.t2
    ");
}

#[tokio::test]
async fn a_down_that_can_not_be_resumed_is_told() {
    let down = outside("DO $$ BEGIN DROP TABLE a; COMMIT; END $$");
    let set = set(&[(&outside("CREATE TABLE a ()"), &down)]);
    insta::assert_snapshot!(checks::resumable(&set).await.unwrap_err(), @r#"resumable: after reverting it was cut off before a statement was recorded, in the next run, reverting migration 1 (m1) failed at 1_m1.down.sql:2:1: table "a" does not exist (SQLSTATE 42P01); 0 of its 1 statements are done: mend statement 1 and run again, which goes on there"#);
}

struct Careless;

impl RustMigration for Careless {
    const TRANSACTION: TransactionMode = TransactionMode::None;

    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        cx.client().batch_execute("CREATE TABLE a (n int)").await?;
        cx.client().query("SELECT $1::int", &[&1]).await?;
        Ok(())
    }
}

struct Careful;

impl RustMigration for Careful {
    const TRANSACTION: TransactionMode = TransactionMode::None;

    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        cx.client().batch_execute("CREATE TABLE IF NOT EXISTS a (n int)").await?;
        cx.client().query("SELECT $1::int", &[&1]).await?;
        Ok(())
    }
}

#[tokio::test]
async fn rust_outside_a_transaction_has_to_be_careful() {
    let careful = MigrationSet::builder().rust(1, "careful", Careful).build().unwrap();
    checks::resumable(&careful).await.unwrap();
    let careless = MigrationSet::builder().rust(1, "careless", Careless).build().unwrap();
    insta::assert_snapshot!(checks::resumable(&careless).await.unwrap_err(), @r#"resumable: after applying it was cut off before a statement was recorded, in the next run, migration 1 (careless) failed: relation "a" already exists (SQLSTATE 42P07); it runs outside a transaction: see what it has done, mend it and run again, which calls it again"#);
}

#[tokio::test]
async fn a_set_without_migrations_outside_a_transaction_has_nothing_to_check() {
    let checked = checks::resumable(&set(&[("CREATE TABLE a ()", "")])).await.unwrap();
    assert!(checked.checked().is_empty());
}
