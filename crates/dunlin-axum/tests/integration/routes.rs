use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, BodyDataStream};
use axum::http::{StatusCode, header};
use dunlin_axum::{PageOptions, migrations, migrations_with, probes};
use dunlin_core::MigrationSet;
use dunlin_startup::Phase;
use futures_util::StreamExt;

use crate::support::{self, Held, PATIENCE, get, header, text};

#[tokio::test]
async fn what_was_not_asked_for_is_not_there() {
    let (startup, _database) = support::failed().await;
    assert_eq!(text(&probes(&startup), "/migrations").await.0, StatusCode::NOT_FOUND);
    assert_eq!(text(&migrations(&startup), "/readyz").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_json_holds_every_migration_and_what_failed() {
    let (startup, _database) = support::failed().await;
    let app = Router::new().nest("/internal", migrations(&startup));

    let (status, body) = text(&app, "/internal/migrations").await;
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status, StatusCode::OK);
    assert_eq!((&json["phase"], &json["ready"]), (&"failed".into(), &false.into()));
    assert_eq!(
        (&json["steps"][0]["state"], &json["steps"][1]["state"]),
        (&"applied".into(), &"failed".into())
    );
    assert_eq!(json["failure"]["code"], "42P01");
    assert!(!body.contains("CREATE"), "it holds no SQL text: {body}");
}

#[tokio::test]
async fn the_page_is_html_that_loads_nothing_else() {
    let held = Held::start().await;
    let app = migrations_with(&held.startup, PageOptions::new().title("Birds & co"));

    let response = get(&app, "/migrations/").await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, header::CONTENT_TYPE), "text/html; charset=utf-8");
    assert_eq!(header(&response, header::CACHE_CONTROL), "no-store");
    let policy = header(&response, header::CONTENT_SECURITY_POLICY);
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");

    let (_, page) = text(&app, "/migrations/").await;
    assert!(page.contains("Birds &amp; co") && page.contains("wait_<wbr>for_<wbr>the_<wbr>tide"), "{page}");
    assert!(!page.contains("http://") && !page.contains("https://"), "it has no address of anything else");
}

#[tokio::test]
async fn events_bring_what_has_changed_and_nothing_else() {
    let held = Held::start().await;
    let mut events = Events::of(&migrations(&held.startup)).await;

    let all = events.next().await.unwrap();
    assert!(all.contains("retry: 2000") && all.contains("event: parts"), "{all}");
    assert!(all.contains("id=\"verdict\"") && all.contains("id=\"waiting\""), "{all}");
    let ticks = events.next().await.unwrap();
    assert!(ticks.contains("id=\"running\"") && !ticks.contains("id=\"waiting\""), "{ticks}");

    held.go_on();
    let ready = async { while !events.next().await.unwrap().contains("<strong>Ready.</strong>") {} };
    tokio::time::timeout(PATIENCE, ready).await.expect("the page is told that it is ready");
}

#[tokio::test]
async fn events_of_a_start_that_is_done_or_has_failed_end_when_it_is_told_to() {
    let done = MigrationSet::builder().sql(1, "create_birds", "CREATE TABLE birds (name text)");
    for (startup, _database) in
        [support::ended(done.build().unwrap(), Phase::Done).await, support::failed().await]
    {
        let mut events = Events::of(&migrations(&startup)).await;
        events.next().await.unwrap();
        startup.shutdown().await;
        let end = tokio::time::timeout(PATIENCE, async { while events.next().await.is_some() {} });
        assert!(end.await.is_ok(), "{:?}: a server waits for it", startup.phase());
    }
}

#[tokio::test]
async fn events_come_four_times_a_second_at_most() {
    let held = Held::start().await;
    let mut events = Events::of(&migrations(&held.startup)).await;
    let began = Instant::now();
    events.next().await.unwrap();
    held.go_on();
    held.until("it is done", |startup| startup.phase() == Phase::Done).await;
    events.next().await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(240), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_stream_ends_with_the_service() {
    let held = Held::start().await;
    let mut events = Events::of(&migrations(&held.startup)).await;
    events.next().await.unwrap();
    held.startup.shutdown().await;
    let end = async { while events.next().await.is_some() {} };
    tokio::time::timeout(Duration::from_secs(2), end).await.expect("it does not hold up the server");
}

#[tokio::test]
async fn not_everybody_may_listen_at_once() {
    let held = Held::start().await;
    let app = migrations(&held.startup);
    let mut listeners = Vec::new();
    for _ in 0..32 {
        listeners.push(Events::of(&app).await);
    }
    assert_eq!(get(&app, "/migrations/events").await.status(), StatusCode::SERVICE_UNAVAILABLE);
    listeners.pop();
    assert_eq!(get(&app, "/migrations/events").await.status(), StatusCode::OK);
}

struct Events(BodyDataStream);

impl Events {
    async fn of(app: &Router) -> Self {
        let response = get(app, "/migrations/events").await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header(&response, header::CONTENT_TYPE), "text/event-stream");
        Self(Body::into_data_stream(response.into_body()))
    }

    /// Each event is a chunk of its own.
    async fn next(&mut self) -> Option<String> {
        let chunk = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("something comes")?;
        Some(String::from_utf8(chunk.unwrap().to_vec()).unwrap())
    }
}
