use dunlin_test::checks;

use crate::checks::set;

#[tokio::test]
async fn a_set_that_can_be_reverted_passes() {
    let set = set(&[
        ("CREATE TABLE a (n int); INSERT INTO a VALUES (1)", "DROP TABLE a"),
        ("ALTER TABLE a ADD t text; CREATE INDEX i ON a (t)", "DROP INDEX i; ALTER TABLE a DROP t"),
    ]);
    insta::assert_snapshot!(checks::round_trip(&set).await.unwrap(), @"2 migrations checked");
}

#[tokio::test]
async fn what_a_down_leaves_is_told_with_the_first_migration_that_leaves_it() {
    let set = set(&[
        ("CREATE TABLE a (n int)", "DROP TABLE a"),
        ("CREATE TYPE e AS ENUM ('x'); CREATE TABLE b (e e)", "DROP TABLE b"),
        ("CREATE TABLE c ()", "DROP TABLE c"),
    ]);
    insta::assert_debug_snapshot!(checks::round_trip(&set).await.unwrap_err(), @"
    round trip: migration 2 (m2): its down does not undo its up (- was there before, + is there now):
      + enum public.e
      +   labels: 'x'
    ");
}

#[tokio::test]
async fn a_down_that_fails_is_told_with_its_place() {
    let set = set(&[("CREATE TABLE a (n int)", "DROP TABLE a"), ("SELECT 1", "\n DROP TABLE b")]);
    insta::assert_snapshot!(checks::round_trip(&set).await.unwrap_err(), @r#"round trip: on the way down, reverting migration 2 (m2) failed at 2_m2.down.sql:2:2: table "b" does not exist (SQLSTATE 42P01); nothing of it remains: mend it and run again"#);
}

#[tokio::test]
async fn an_up_that_makes_something_else_the_second_time_is_told() {
    let set = set(&[
        ("CREATE SEQUENCE s", ""),
        ("DO $$ BEGIN EXECUTE format('CREATE TABLE a (c%s int)', nextval('s')); END $$", "DROP TABLE a"),
        ("CREATE TABLE b ()", "DROP TABLE b"),
    ]);
    insta::assert_snapshot!(checks::round_trip(&set).await.unwrap_err(), @"
    round trip: migration 2 (m2): after its down, its up makes something else (- is of the first time, + of the second):
        table public.a
      -   column c1: integer
      +   column c2: integer
    ");
}

#[tokio::test]
async fn the_way_down_ends_above_the_last_migration_without_a_down() {
    let set = set(&[
        ("CREATE TABLE a (n int)", "SELECT 'never run'"),
        ("CREATE TABLE b (n int)", ""),
        ("CREATE TABLE c (n int)", "DROP TABLE c"),
    ]);
    insta::assert_snapshot!(checks::round_trip(&set).await.unwrap(), @"
    1 migration checked
      not checked: 1 (m1), one after it has no down
      not checked: 2 (m2), it has no down
    ");
}

#[tokio::test]
async fn a_column_that_comes_back_at_the_end_is_no_failure() {
    let set = set(&[
        ("CREATE TABLE a (n int, t text)", "DROP TABLE a"),
        ("ALTER TABLE a DROP n", "ALTER TABLE a ADD n int"),
    ]);
    checks::round_trip(&set).await.unwrap();
    checks::each_step(&set).await.unwrap();
}

#[tokio::test]
async fn an_up_that_fails_is_told_with_its_place() {
    let set = set(&[("CREATE TABLE a (n it)", "DROP TABLE a")]);
    insta::assert_snapshot!(checks::round_trip(&set).await.unwrap_err(), @r#"round trip: on the way up, migration 1 (m1) failed at 1_m1.up.sql:1:19: type "it" does not exist (SQLSTATE 42704); nothing of it remains: mend it and run again"#);
}
