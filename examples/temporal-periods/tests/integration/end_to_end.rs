use dunlin::{Direct, Target};
use dunlin_backfill::{Backfills, JobState, Sample};
use temporal_periods::period_zero::{Topics, Users};
use temporal_periods::{Checks, Survey, TABLES_AND_VIEWS, migrator, preflight};
use tokio_postgres::NoTls;

use crate::support::{filled, migrate, migrated, new_rows, number, old_rows, rows};

#[tokio::test]
async fn all_is_counted_and_right_and_a_dry_run_has_said_so_before() {
    let (database, mut client) = filled(3_000).await;
    preflight(&client).await.unwrap();
    insta::assert_snapshot!(Survey::read(&client).await.unwrap(), @r"
    topics                30, 25 with contents
    users                 15, 12 with contents
      deleted              5 of both, with contents
    contents            3000, 85 of nobody
    tasks                150
    chat messages         60
    ");
    let before = old_rows(&client).await;
    let backfills = Backfills::new(migrator(), Direct::new(database.config(), NoTls));

    migrate(&database, TABLES_AND_VIEWS).await.unwrap();
    let topics = backfills.dry_run("period_zero:topics", &Topics, Sample::All).await.unwrap();
    let users = backfills.dry_run("period_zero:users", &Users, Sample::All).await.unwrap();
    assert_eq!(number(&client, "SELECT count(*) FROM analysis_periods").await, 0, "nothing was written");
    migrate(&database, Target::Latest).await.unwrap();

    let status = backfills.status().await.unwrap();
    let told: Vec<_> = status.iter().map(|one| (&*one.backfill, one.processed, one.changed)).collect();
    assert_eq!(told[0], ("period_zero:topics", topics.processed, topics.changed));
    assert_eq!(told[1], ("period_zero:users", users.processed, users.changed));
    assert!(status.iter().all(|one| one.state == JobState::Finished && one.quarantined == 0));
    assert_eq!(
        told,
        [
            ("period_zero:topics", 30, 25),
            ("period_zero:users", 15, 12),
            ("period_zero:links", 3_000, 2_915),
            ("period_zero:counts", 0, 0)
        ]
    );
    insta::assert_snapshot!(Checks::run(&mut client).await.unwrap(), @r"
    ok     migrations in the history                                     5
    ok     extensions, in the server's version                           2
    ok     tables of the layer                                           5
    ok     columns of topics, users and contents                        11
    ok     views                                                         3
    ok     materialized views with a unique index                        1
    ok     functions                                                     4
    ok     exclusion constraints                                         1
    ok     topics with contents, that have a period 0                   25
    ok     users with contents, that have a period 0                    12
    ok     periods of nobody, or of who has no contents                  0
    ok     contents of topics and users, that are linked              2915
    ok     contents that are linked to the period of another             0
    ok     periods with other contents or times than they say            0
    ok     active periods of one entity that overlap                     0
    ok     periods whose status is not what deletions say                0
    ok     topics whose columns are not what their periods say           0
    ok     users whose columns are not what their periods say            0
    ok     periods that have lost something of the summary               0
    ");
    migrator().verify(&mut client).await.unwrap();
    assert_eq!(old_rows(&client).await, before, "what was there is as it was");
}

#[tokio::test]
async fn each_kind_of_entity_has_the_period_that_is_stated_for_it() {
    let (_database, client) = migrated(1_000).await;
    let periods = "SELECT p.entity_type, p.entity_id, p.status, p.content_count, p.duration_hours > 0 AS lasts FROM analysis_periods AS p
        WHERE (p.entity_type, p.entity_id) IN (('topic', 2), ('topic', 3), ('topic', 4), ('user', 1), ('user', 2), ('topic', 11), ('user', 6))
        ORDER BY p.entity_type, p.entity_id";
    let of_nobody = "SELECT count(*) FROM contents WHERE analysis_period_id IS NULL";

    insta::assert_snapshot!(rows(&client, periods).await.join("\n"), @r"
    (topic,2,archived,83,t)
    (topic,4,active,1,f)
    (user,1,active,2,f)
    ");
    // Topic 11 and user 6 are gone.
    assert_eq!(number(&client, "SELECT count(*) FROM topics WHERE id = 11").await, 0);
    let gone = "SELECT count(*) FROM contents WHERE (entity_type, entity_id) IN (('topic', 11), ('user', 6))";
    assert!(number(&client, gone).await > 0);
    assert_eq!(number(&client, of_nobody).await, number(&client, gone).await);
    let summary =
        "SELECT insights, metrics FROM analysis_periods WHERE entity_type = 'topic' AND entity_id = 9";
    insta::assert_snapshot!(rows(&client, summary).await.join("\n"), @r#"("{""'"": ""2024-03-31T02:30:00+05:45"", ""metrics"": {""heat"": 3}}","{"""": 0, ""\\"""": 1, ""content_count"": -1}")"#);
}

#[tokio::test]
async fn what_is_wrong_is_found_by_the_check_that_is_about_it() {
    let (_database, mut client) = migrated(300).await;
    let wrong = [
        ("DELETE FROM dunlin_history WHERE version = 5", "migrations in the history"),
        ("DROP VIEW v_crawl_effectiveness_ranking", "views"),
        ("DROP INDEX mv_period_metrics_trend_key", "materialized views with a unique index"),
        ("DROP FUNCTION recompute_metrics_delta", "functions"),
        ("DROP TABLE event_contents", "tables of the layer"),
        ("ALTER TABLE users DROP total_periods CASCADE", "columns of topics, users and contents"),
        ("INSERT INTO contents (entity_type, entity_id, title, body, published_at) VALUES ('topic', 3, '', '', now())", "topics with contents, that have a period 0"),
        ("INSERT INTO contents (entity_type, entity_id, title, body, published_at) VALUES ('user', 2, '', '', now())", "users with contents, that have a period 0"),
        ("INSERT INTO analysis_periods (entity_type, entity_id, period_number, started_at, ended_at) VALUES ('topic', 999999, 1, now(), now())", "periods of nobody, or of who has no contents"),
        ("UPDATE contents SET analysis_period_id = NULL WHERE id = 1", "contents of topics and users, that are linked"),
        ("UPDATE contents SET analysis_period_id = (SELECT min(id) FROM analysis_periods) WHERE id = 5", "contents that are linked to the period of another"),
        ("UPDATE analysis_periods SET content_count = content_count + 1 WHERE entity_id = 1", "periods with other contents or times than they say"),
        ("ALTER TABLE analysis_periods DROP CONSTRAINT analysis_periods_never_overlap", "exclusion constraints"),
        ("ALTER TABLE analysis_periods DROP CONSTRAINT analysis_periods_never_overlap;
            INSERT INTO analysis_periods (entity_type, entity_id, period_number, started_at, ended_at)
            SELECT entity_type, entity_id, 1, ended_at, ended_at FROM analysis_periods WHERE entity_type = 'topic' AND entity_id = 1",
            "active periods of one entity that overlap"),
        ("DROP EXTENSION pg_trgm CASCADE",
            "extensions, in the server's version"),
        ("UPDATE analysis_periods SET status = 'closed' WHERE status = 'archived'", "periods whose status is not what deletions say"),
        ("UPDATE topics SET total_periods = 2 WHERE id = 1", "topics whose columns are not what their periods say"),
        ("UPDATE users SET first_analysis_at = now() WHERE id = 1", "users whose columns are not what their periods say"),
        ("UPDATE analysis_periods SET insights = '{}' WHERE entity_type = 'topic' AND entity_id = 4", "periods that have lost something of the summary"),
    ];
    for (sql, name) in &wrong {
        let transaction = client.transaction().await.unwrap();
        transaction.batch_execute(sql).await.unwrap();
        let checks = Checks::run_in(&transaction).await.unwrap();
        transaction.rollback().await.unwrap();
        assert!(checks.failed().any(|checked| checked.name == *name), "{sql}:\n{checks}");
    }
    let checks = Checks::run(&mut client).await.unwrap();
    assert_eq!(checks.failed().count(), 0);
    let untried = checks.all().iter().filter(|checked| wrong.iter().all(|(_, name)| *name != checked.name));
    assert_eq!(untried.map(|checked| checked.name).collect::<Vec<_>>(), [""; 0]);
}

#[tokio::test]
async fn it_is_the_same_in_whatever_zone_the_database_is() {
    let (_utc, client) = migrated(500).await;
    let expected = new_rows(&client).await;

    let (database, client) = filled(500).await;
    let sql = format!(
        "ALTER DATABASE {0} SET timezone = 'Asia/Kathmandu'; ALTER DATABASE {0} SET datestyle = 'German, DMY';
        ALTER DATABASE {0} SET extra_float_digits = 0; ALTER DATABASE {0} SET intervalstyle = 'sql_standard'",
        database.name()
    );
    client.batch_execute(&sql).await.unwrap();
    migrate(&database, Target::Latest).await.unwrap();

    assert_eq!(new_rows(&client).await, expected);
}

#[tokio::test]
async fn two_replicas_at_once_fill_it_once() {
    let (_alone, client) = migrated(1_000).await;
    let expected = new_rows(&client).await;

    let (database, client) = filled(1_000).await;
    let (one, other) = tokio::join!(migrate(&database, Target::Latest), migrate(&database, Target::Latest));

    let applied = one.unwrap().applied().count() + other.unwrap().applied().count();
    assert_eq!(applied, 3);
    assert_eq!(new_rows(&client).await, expected);
}
