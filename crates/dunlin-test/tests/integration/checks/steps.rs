use dunlin_core::{BoxError, Context, HistoryTable, MigrationSet, Migrator, RustMigration, SqlMigration};
use dunlin_test::{ObjectKind, checks};

use crate::checks::{outside, set};

#[tokio::test]
async fn each_migration_that_does_not_hold_is_told_and_the_others_are_checked() {
    let set = set(&[
        ("CREATE TABLE a (n int)", "DROP TABLE a"),
        ("CREATE INDEX i ON a (n); ALTER TABLE a ADD t text", "ALTER TABLE a DROP t"),
        ("CREATE TABLE c ()", "DROP TABLE d"),
        ("CREATE TABLE e (n int NOT NULL DEFAULT 7)", "DROP TABLE e; DROP TABLE a"),
        ("ALTER TABLE a ALTER n SET DEFAULT 1", "ALTER TABLE a ALTER n DROP DEFAULT"),
    ]);

    let error = checks::each_step(&set).await.unwrap_err();

    insta::assert_debug_snapshot!(error, @r#"
    each step: 3 failures

    migration 2 (m2): its down does not undo its up (- was there before, + is there now):
      + index public.i
      +   definition: CREATE INDEX i ON public.a USING btree (n)

    reverting migration 3 (m3) failed at 3_m3.down.sql:1:1: table "d" does not exist (SQLSTATE 42P01); nothing of it remains: mend it and run again

    migration 4 (m4): its down does not undo its up (- was there before, + is there now):
      - table public.a
      -   column n: integer
      -   column t: text
      - index public.i
      -   definition: CREATE INDEX i ON public.a USING btree (n)
    "#);
    let versions: Vec<_> =
        error.failures().iter().map(|failure| failure.migration().unwrap().version()).collect();
    assert_eq!(versions, [2, 3, 4]);
    let objects: Vec<_> =
        error.failures()[0].diff().iter().map(|object| (object.kind(), object.name())).collect();
    assert_eq!(objects, [(ObjectKind::Index, "public.i")]);
}

#[tokio::test]
async fn migrations_without_a_down_are_applied_and_named() {
    let set = set(&[("CREATE TABLE a (n int)", ""), ("CREATE TABLE b (n int)", "DROP TABLE b")]);
    insta::assert_snapshot!(checks::each_step(&set).await.unwrap(), @"
    1 migration checked
      not checked: 1 (m1), it has no down
    ");
}

#[tokio::test]
async fn one_that_can_not_be_applied_ends_the_check() {
    let set =
        set(&[("CREATE TABLE a (n int)", "SELECT 1"), ("CREATE TABLE a (n int)", ""), ("SELECT 1", "")]);
    insta::assert_snapshot!(checks::each_step(&set).await.unwrap_err(), @r#"
    each step: 3 failures

    migration 1 (m1): its down does not undo its up (- was there before, + is there now):
      + table public.a
      +   column n: integer

    migration 2 (m2) failed at 2_m2.up.sql:1:1: relation "a" already exists (SQLSTATE 42P07); nothing of it remains: mend it and run again

    the migration behind it was not reached
    "#);
}

#[tokio::test]
async fn one_that_can_not_be_applied_twice_is_told() {
    let set = set(&[
        ("CREATE SEQUENCE s", ""),
        ("SELECT 1 / (2 - nextval('s')); CREATE TABLE a ()", "DROP TABLE a"),
    ]);
    insta::assert_snapshot!(checks::each_step(&set).await.unwrap_err(), @"each step: the second time, migration 2 (m2) failed at 2_m2.up.sql:1:1: division by zero (SQLSTATE 22012); nothing of it remains: mend it and run again");
}

#[tokio::test]
async fn a_verify_script_that_a_later_migration_breaks_is_told() {
    let first =
        SqlMigration::new(1, "a", "CREATE TABLE a (n int)").unwrap().with_down("DROP TABLE a").unwrap();
    let first = first.with_verify("SELECT count(*) = 0 AS empty FROM a").unwrap();
    let second =
        SqlMigration::new(2, "b", "INSERT INTO a VALUES (1)").unwrap().with_down("DELETE FROM a").unwrap();
    let set = MigrationSet::builder().migration(first).migration(second).build().unwrap();
    insta::assert_snapshot!(checks::each_step(&set).await.unwrap_err(), @"each step: with migration 2 (b) applied, 1 of 1 migrations do not verify: 1 (a) at 1_a.verify.sql:1:1: column `empty` is false: `SELECT count(*) = 0 AS empty FROM a`");
}

#[tokio::test]
async fn a_down_outside_a_transaction_that_fails_half_way_does_not_stand_in_the_way_of_the_next() {
    let down = outside("DROP INDEX CONCURRENTLY i; DROP TABLE b");
    let set = set(&[
        ("CREATE TABLE a (n int)", "DROP TABLE a"),
        ("CREATE INDEX i ON a (n)", &down),
        ("DROP INDEX i", "CREATE INDEX i ON a (n)"),
    ]);
    insta::assert_snapshot!(checks::each_step(&set).await.unwrap_err(), @r#"each step: reverting migration 2 (m2) failed at 2_m2.down.sql:2:28: table "b" does not exist (SQLSTATE 42P01); 1 of its 2 statements are done: mend statement 2 and run again, which goes on there"#);
}

/// Needs to be told which table to make.
struct Named;

struct Name(&'static str);

impl RustMigration for Named {
    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        let Name(name) = cx.resource::<Name>().ok_or("no name")?;
        Ok(cx.client().batch_execute(&format!("CREATE TABLE {name} ()")).await?)
    }
}

#[tokio::test]
async fn a_migrator_brings_what_its_migrations_need() {
    let set = MigrationSet::builder().rust(1, "named", Named).build().unwrap();
    insta::assert_snapshot!(checks::each_step(&set).await.unwrap_err(), @"
    each step: migration 1 (named) failed in its Rust code; nothing of it remains: mend it and run again
      caused by: no name
    ");
    checks::each_step(&Migrator::new(set).resource(Name("a"))).await.unwrap();
}

#[tokio::test]
async fn where_a_migrator_has_its_history_is_no_part_of_the_schema() {
    let migration =
        SqlMigration::new(1, "a", "CREATE TABLE a ()").unwrap().with_down("DROP TABLE a").unwrap();
    let set = MigrationSet::builder().migration(migration).build().unwrap();
    let history = HistoryTable::new("ops", "history").unwrap();
    checks::round_trip(&Migrator::new(set).history(history)).await.unwrap();
}
