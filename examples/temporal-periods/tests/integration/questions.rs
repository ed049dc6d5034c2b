//! What the views, the functions and the materialized view answer.

use temporal_periods::{Refreshed, Trend};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::support::{migrated, number, rows};

/// The topic 1 with a period 0 and four later ones, of which the last is odd, and what crawls have brought.
async fn with_periods() -> (dunlin_test::Database, Client) {
    let (database, client) = migrated(300).await;
    client
        .batch_execute(
            r#"UPDATE analysis_periods SET metrics = '{"heat": 10, "likes": 3}', ended_at = '2024-12-31' WHERE entity_type = 'topic' AND entity_id = 1;
            INSERT INTO analysis_periods (entity_type, entity_id, period_number, started_at, ended_at, content_count, metrics)
            SELECT 'topic', 1, n, timestamptz '2025-01-01Z' + n * interval '10 days', timestamptz '2025-01-06Z' + n * interval '10 days', n * 5,
                jsonb_build_object('heat', CASE n WHEN 4 THEN 99.5 ELSE 10 + n END, 'note', 'no number')
            FROM generate_series(1, 4) AS n;
            INSERT INTO crawl_effectiveness (period_id, contents_found, contents_new, took)
            SELECT p.id, 10, n * 2, interval '30 min' FROM get_period_by_number('topic', 1, 1) AS p, generate_series(1, 2) AS n
            UNION ALL SELECT p.id, 10, 9, interval '10 min' FROM get_period_by_number('topic', 1, 2) AS p
            UNION ALL SELECT p.id, 0, 0, interval '1 min' FROM get_period_by_number('topic', 1, 3) AS p"#,
        )
        .await
        .unwrap();
    (database, client)
}

#[tokio::test]
async fn a_timeline_has_the_gaps_between_periods_and_a_summary() {
    let (_database, client) = with_periods().await;
    let timeline = "SELECT entity_name = (SELECT name FROM topics WHERE id = 1) AS named, period_number, status, duration_hours, hours_since_previous::float8,
            contents_more_than_previous
        FROM v_period_timeline WHERE (entity_type, entity_id) = ('topic', 1) AND period_number > 1 ORDER BY period_number";
    insta::assert_snapshot!(rows(&client, timeline).await.join("\n"), @r"
    (t,2,active,120,120,5)
    (t,3,active,120,120,5)
    (t,4,active,120,120,5)
    ");
    let summary = "SELECT periods, active_periods, contents, (last_at AT TIME ZONE 'UTC')::date
        FROM v_entity_timeline_summary WHERE (entity_type, entity_id) = ('topic', 1)";
    let contents = "SELECT (content_count + 50)::int8 FROM get_period_by_number('topic', 1, 0)";
    assert_eq!(
        rows(&client, summary).await,
        [format!("(5,5,{},2025-02-15)", number(&client, contents).await)]
    );
}

#[tokio::test]
async fn crawls_are_ranked_by_what_they_bring() {
    let (_database, client) = with_periods().await;
    let ranking = "SELECT place, period_number, crawls, contents_found, contents_new, yield, new_per_hour::float8 FROM v_crawl_effectiveness_ranking ORDER BY place";
    insta::assert_snapshot!(rows(&client, ranking).await.join("\n"), @r"
    (1,2,1,10,9,0.9,54)
    (2,1,2,20,6,0.3,6)
    (3,3,1,0,0,,0)
    ");
}

#[tokio::test]
async fn contents_are_in_the_order_of_their_publication_with_their_period() {
    let (_database, client) = with_periods().await;
    let all = "SELECT count(*) FROM get_content_timeline('topic', 1)";
    let of_topic = "SELECT count(*) FROM contents WHERE (entity_type, entity_id) = ('topic', 1)";
    assert_eq!(number(&client, all).await, number(&client, of_topic).await);
    let first = "SELECT period_number, hours_into_period FROM get_content_timeline('topic', 1) LIMIT 1";
    assert_eq!(rows(&client, first).await, ["(0,0)"]);
    let some = "SELECT count(*) FROM get_content_timeline('topic', 1, '2024-03-01', '2024-04-01') WHERE published_at NOT BETWEEN '2024-03-01' AND '2024-04-01'";
    assert_eq!(number(&client, some).await, 0);
    assert_eq!(rows(&client, "SELECT period_number FROM get_period_by_number('topic', 1, 4)").await, ["(4)"]);
    assert!(rows(&client, "SELECT 1 FROM get_period_by_number('topic', 1, 5)").await.is_empty());
}

#[tokio::test]
async fn what_is_far_from_usual_is_an_anomaly() {
    let (_database, client) = with_periods().await;
    let anomalies = "SELECT period_number, metric, value, round(usual, 2), round(deviation::numeric, 1) FROM detect_metric_anomalies('topic', 1)";
    insta::assert_snapshot!(rows(&client, anomalies).await.join("\n"), @"(4,heat,99.5,11.50,78.7)");
    assert!(rows(&client, "SELECT 1 FROM detect_metric_anomalies('topic', 4)").await.is_empty());
}

#[tokio::test]
async fn a_delta_is_that_to_the_period_before_and_is_written_down() {
    let (_database, client) = with_periods().await;
    let delta = |number: i32| {
        format!("SELECT recompute_metrics_delta(id) FROM get_period_by_number('topic', 1, {number})")
    };
    assert_eq!(rows(&client, &delta(1)).await, ["(\"{\"\"heat\"\": 1}\")"], "what both have");
    assert_eq!(rows(&client, &delta(4)).await, ["(\"{\"\"heat\"\": 86.5}\")"]);
    assert_eq!(rows(&client, &delta(0)).await, ["({})"], "there is none before");
    assert_eq!(number(&client, "SELECT count(metrics_delta) FROM analysis_periods").await, 3);
}

#[tokio::test]
async fn the_trend_is_refreshed_plainly_first_and_concurrently_then() {
    let (database, client) = with_periods().await;
    let concurrently = "REFRESH MATERIALIZED VIEW CONCURRENTLY mv_period_metrics_trend";
    let code = |error: tokio_postgres::Error| error.code().cloned();

    assert_eq!(
        code(Trend::rows(&client).await.unwrap_err()),
        Some(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE)
    );
    let error = client.batch_execute(concurrently).await.unwrap_err();
    assert_eq!(code(error), Some(SqlState::FEATURE_NOT_SUPPORTED), "there is nothing to compare with");

    assert_eq!(Trend::refresh(&client).await.unwrap(), Refreshed::Plainly);
    let heat = "SELECT period_number, value, change, round(average_of_three, 2) FROM mv_period_metrics_trend
        WHERE (entity_type, entity_id, metric) = ('topic', 1, 'heat') ORDER BY period_number";
    insta::assert_snapshot!(rows(&client, heat).await.join("\n"), @r"
    (0,10,,10.00)
    (1,11,1,10.50)
    (2,12,1,11.00)
    (3,13,1,12.00)
    (4,99.5,86.5,41.50)
    ");

    let less = "UPDATE analysis_periods SET metrics = '{\"heat\": 1}' WHERE (entity_type, entity_id, period_number) = ('topic', 1, 4)";
    client.batch_execute(less).await.unwrap();
    // Somebody reads it, for as long as it takes.
    let mut other = database.connect().await.unwrap();
    let reader = other.transaction().await.unwrap();
    reader.execute("SELECT FROM mv_period_metrics_trend", &[]).await.unwrap();
    client.batch_execute("SET lock_timeout = 100").await.unwrap();
    let error = client.batch_execute("REFRESH MATERIALIZED VIEW mv_period_metrics_trend").await.unwrap_err();
    assert_eq!(code(error), Some(SqlState::LOCK_NOT_AVAILABLE));
    assert_eq!(Trend::refresh(&client).await.unwrap(), Refreshed::Concurrently);
    assert_eq!(rows(&client, heat).await.last().unwrap(), "(4,1,-12,8.67)");
    reader.commit().await.unwrap();
}
