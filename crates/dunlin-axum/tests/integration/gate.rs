use std::time::Duration;

use axum::http::{StatusCode, header};
use axum::{Router, routing};
use dunlin_axum::Gate;
use dunlin_core::MigrationSet;
use dunlin_startup::Phase;

use crate::support::{self, Held, PATIENCE, get, header, text};

fn birds(gate: Gate) -> Router {
    Router::new().route("/birds", routing::get(async || "dunlin")).layer(gate)
}

#[tokio::test]
async fn requests_are_refused_until_the_schema_is_there() {
    let held = Held::start().await;
    let app = birds(Gate::refuse(&held.startup));

    let response = get(&app, "/birds").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(header(&response, header::RETRY_AFTER), "1");
    assert!(text(&app, "/birds").await.1.starts_with(r#"{"ready":false,"phase":"migrating""#));

    held.go_on();
    held.startup.wait_ready().await.unwrap();
    assert_eq!(text(&app, "/birds").await, (StatusCode::OK, "dunlin".to_owned()));
}

#[tokio::test]
async fn requests_wait_until_the_schema_is_there() {
    let held = Held::start().await;
    let app = birds(Gate::hold(&held.startup, PATIENCE));

    let request = text(&app, "/birds");
    tokio::pin!(request);
    let early = tokio::time::timeout(Duration::from_millis(100), &mut request).await;
    assert!(early.is_err(), "it was answered before the schema was there");
    held.go_on();
    assert_eq!(request.await, (StatusCode::OK, "dunlin".to_owned()));
}

#[tokio::test]
async fn requests_that_wait_too_long_are_refused() {
    let held = Held::start().await;
    let app = birds(Gate::hold(&held.startup, Duration::from_millis(50)));
    assert_eq!(text(&app, "/birds").await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn nobody_waits_for_a_start_that_has_failed() {
    let (startup, _database) = support::failed().await;
    let app = birds(Gate::hold(&startup, Duration::from_secs(3_600)));
    assert_eq!(text(&app, "/birds").await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn requests_are_served_to_the_end_of_a_service_that_was_ready() {
    let set = MigrationSet::builder().sql(1, "create_birds", "CREATE TABLE birds (name text)");
    let (startup, _database) = support::ended(set.build().unwrap(), Phase::Done).await;
    startup.shutdown().await;
    let app = birds(Gate::refuse(&startup));
    assert_eq!(text(&app, "/birds").await.0, StatusCode::OK);

    let held = Held::start().await;
    held.startup.shutdown().await;
    let app = birds(Gate::refuse(&held.startup));
    assert_eq!(text(&app, "/birds").await.0, StatusCode::SERVICE_UNAVAILABLE);
}
