use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{MethodRouter, get};
use dunlin_startup::Startup;

use crate::answer::Answer;

/// `/livez`, `/readyz` and `/startupz`, for whoever watches over the service.
///
/// None of them asks the database, and each answers at once. [`livez`], [`readyz`] and [`startupz`] are the same for paths of one's own.
///
/// ```
/// # fn f(startup: dunlin_startup::Startup) -> axum::Router {
/// let app = axum::Router::new().merge(dunlin_axum::probes(&startup));
/// # app }
/// ```
pub fn probes(startup: &Startup) -> Router {
    Router::new()
        .route("/livez", livez(startup))
        .route("/readyz", readyz(startup))
        .route("/startupz", startupz(startup))
}

/// Always 200: the process answers. What the start does is no reason to kill it; its phase is told all the same.
pub fn livez<S>(startup: &Startup) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let startup = startup.clone();
    get(async move || -> Response { Answer::of(&startup).respond(StatusCode::OK) })
}

/// 200 while the service may be sent requests; else 503 with `{"ready":false,"phase":...,"reason":...}`.
pub fn readyz<S>(startup: &Startup) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let startup = startup.clone();
    get(async move || -> Response {
        let answer = Answer::of(&startup);
        let status = if answer.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        answer.respond(status)
    })
}

/// 200 once the first start is over, that is when it has been ready or is done, and from then on; else 503 with the JSON of [`readyz`].
pub fn startupz<S>(startup: &Startup) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let startup = startup.clone();
    get(async move || -> Response {
        let status = if startup.has_started() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        Answer::of(&startup).respond(status)
    })
}
