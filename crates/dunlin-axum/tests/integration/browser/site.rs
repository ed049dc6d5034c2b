//! Pages of snapshots that a test makes up.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use dunlin_axum::{PageOptions, Updates, content_security_policy, document};
use dunlin_startup::Snapshot;
use futures_util::{StreamExt, stream};
use tokio::sync::watch;

use crate::scenes;

/// `/<scene>/` is its page, with events that tell it once more. `/live/` is the page of the scene that `/show/<scene>` has named last, with
/// events; `/show/nothing` ends its streams, and there are none until another one is named.
pub(crate) fn site() -> Router {
    let shown = Arc::new(watch::Sender::new("fresh".to_owned()));
    let live = Arc::clone(&shown);
    let events = Arc::clone(&shown);
    Router::new()
        .route("/live/", get(async move || html(&scene(&live.borrow()).unwrap_or_else(scenes::fresh))))
        .route("/live/events", get(async move || stream_of(events.subscribe())))
        .route("/show/{scene}", get(async move |Path(scene): Path<String>| drop(shown.send_replace(scene))))
        .route(
            "/{scene}/",
            get(async |Path(name): Path<String>| {
                scene(&name).map(|scene| html(&scene)).ok_or(StatusCode::NOT_FOUND)
            }),
        )
        .route(
            "/{scene}/events",
            get(async |Path(name): Path<String>| stream_of(watch::Sender::new(name).subscribe())),
        )
}

fn scene(name: &str) -> Option<Snapshot> {
    let (_, scene) = scenes::ALL.iter().find(|(known, _)| *known == name)?;
    Some(scene())
}

fn html(snapshot: &Snapshot) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, content_security_policy()),
    ];
    (headers, document(snapshot, &PageOptions::new())).into_response()
}

fn stream_of(mut shown: watch::Receiver<String>) -> Response {
    shown.mark_changed();
    if scene(&shown.borrow()).is_none() {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let events = stream::unfold((shown, Updates::new()), async |(mut shown, mut updates)| {
        loop {
            // A scene that nobody changes is told once.
            if shown.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            let snapshot = scene(&shown.borrow_and_update())?;
            if let Some(html) = updates.next(&snapshot) {
                let event =
                    Event::default().event("parts").data(html).retry(std::time::Duration::from_millis(200));
                return Some((Ok::<_, Infallible>(event), (shown, updates)));
            }
        }
    });
    Sse::new(events.boxed()).into_response()
}
