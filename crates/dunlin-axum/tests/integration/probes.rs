use axum::http::{StatusCode, header};
use dunlin_axum::probes;
use dunlin_core::MigrationSet;
use dunlin_startup::Phase;

use crate::support::{self, Held, get, header, text};

#[tokio::test]
async fn a_service_that_migrates_is_live_and_not_ready_and_says_why() {
    let held = Held::start().await;
    let app = probes(&held.startup);

    assert_eq!(text(&app, "/livez").await.0, StatusCode::OK);
    for path in ["/readyz", "/startupz"] {
        let (status, body) = text(&app, path).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        let reason = r#"{"ready":false,"phase":"migrating","reason":"migration 2 (wait_for_the_tide) runs"}"#;
        assert_eq!(body, reason, "{path}");
    }
    let response = get(&app, "/readyz").await;
    assert_eq!(header(&response, header::RETRY_AFTER), "1");
    assert_eq!(header(&response, header::CACHE_CONTROL), "no-store");
    assert_eq!(header(&response, header::CONTENT_TYPE), "application/json");

    held.go_on();
    held.until("it is done", |startup| startup.phase() == Phase::Done).await;
    for path in ["/livez", "/readyz", "/startupz"] {
        assert_eq!(text(&app, path).await, (StatusCode::OK, r#"{"ready":true,"phase":"done"}"#.to_owned()));
    }
}

#[tokio::test]
async fn a_service_that_has_failed_is_live_and_says_what_failed() {
    let (startup, _database) = support::failed().await;
    let app = probes(&startup);

    assert_eq!(text(&app, "/livez").await.0, StatusCode::OK);
    let (status, body) = text(&app, "/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body.contains(r#""phase":"failed""#) && body.contains("2 (count_ducks)"), "{body}");
}

#[tokio::test]
async fn a_service_that_stops_is_not_ready_any_more_but_has_started() {
    let set = MigrationSet::builder().sql(1, "create_birds", "CREATE TABLE birds (name text)");
    let (startup, _database) = support::ended(set.build().unwrap(), Phase::Done).await;
    startup.shutdown().await;
    let app = probes(&startup);

    assert_eq!(text(&app, "/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text(&app, "/startupz").await.0, StatusCode::OK);
    assert_eq!(text(&app, "/livez").await.0, StatusCode::OK);
}
