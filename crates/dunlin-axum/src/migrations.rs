use axum::Router;
use axum::http::header::{self, HeaderName};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use dunlin_startup::Startup;

use crate::answer;
use crate::{PageOptions, content_security_policy, document, events};

/// `/migrations` as JSON, `/migrations/` as a page, and `/migrations/events`, which the page listens to.
///
/// They show which migrations there are, names of applications and addresses of sessions; no SQL text, no row value and no secret. They are for
/// operators: put them behind a layer of your own that lets nobody else in. [`json`](crate::json()), [`page`] and [`events`] are the same for paths
/// of one's own.
///
/// ```
/// # fn f(startup: dunlin_startup::Startup) -> axum::Router {
/// let operators = dunlin_axum::migrations(&startup); // .layer(...) with your authentication
/// let app = axum::Router::new().nest("/internal", operators);
/// # app }
/// ```
pub fn migrations(startup: &Startup) -> Router {
    migrations_with(startup, PageOptions::new())
}

/// [`migrations`] with a page of these options. Addresses of theirs are relative to `/migrations/`.
pub fn migrations_with(startup: &Startup, options: PageOptions) -> Router {
    Router::new()
        .route("/migrations", json(startup))
        .route("/migrations/", page_with(startup, options))
        .route("/migrations/events", events(startup))
}

/// The [snapshot](dunlin_startup::Snapshot) as JSON, after a look at the history unless what is known of it is younger than a second.
pub fn json<S>(startup: &Startup) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let startup = startup.clone();
    get(async move || -> Response { answer::json(&startup.refresh().await) })
}

/// The page, with its [events](events) at `events` beside it and the JSON at `../migrations`.
pub fn page<S>(startup: &Startup) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    page_with(startup, PageOptions::new())
}

/// The page with these options, after a look at the history unless what is known of it is younger than a second.
pub fn page_with<S>(startup: &Startup, options: PageOptions) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let startup = startup.clone();
    get(async move || -> Response { html(document(&startup.refresh().await, &options)) })
}

fn html(document: String) -> Response {
    let headers: [(HeaderName, &str); 5] = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, content_security_policy()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, document).into_response()
}
