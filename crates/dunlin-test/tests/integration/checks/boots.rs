use dunlin_test::checks;

use crate::checks::{outside, set};

#[tokio::test]
async fn replicas_that_boot_at_once_apply_each_migration_once() {
    let index = outside("CREATE INDEX CONCURRENTLY i ON a (n)");
    let set = set(&[("CREATE TABLE a (n int)", ""), (&index, ""), ("INSERT INTO a VALUES (1)", "")]);
    insta::assert_snapshot!(checks::concurrent_boot(&set, 8).await.unwrap(), @"3 migrations checked");
}

#[tokio::test]
async fn a_migration_that_fails_is_told() {
    let set = set(&[("CREATE TABLE a (n it)", "")]);
    insta::assert_snapshot!(checks::concurrent_boot(&set, 3).await.unwrap_err(), @r#"concurrent boot: one replica alone, migration 1 (m1) failed at 1_m1.up.sql:1:19: type "it" does not exist (SQLSTATE 42704); nothing of it remains: mend it and run again"#);
}

#[tokio::test]
async fn a_schema_that_depends_on_who_else_is_there_is_told() {
    // The others are connected while the first of them works.
    let count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'";
    let sql = format!("DO $$ BEGIN EXECUTE format('CREATE TABLE seen_%s ()', ({count})); END $$");
    insta::assert_snapshot!(checks::concurrent_boot(&set(&[(&sql, "")]), 3).await.unwrap_err(), @"
    concurrent boot: replicas together make another schema (- is what one makes alone, + is what they make):
      - table public.seen_1
      + table public.seen_3
    ");
}
