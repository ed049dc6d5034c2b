use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use deadpool_postgres::Pool;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinHandle;

use crate::{ApiError, Release};

/// How many calls may wait to be written down. Past that they are forgotten: nobody waits for a log.
const WAITING: usize = 4_096;

/// Writes down which calls were made, a few at a time, in a task of its own. Clones are the same log.
#[derive(Clone, Debug)]
pub struct CallLog(Sender<Call>);

impl CallLog {
    /// A log of this release's. The task ends when the last clone is gone and all is written.
    #[must_use]
    pub fn start(pool: Pool, release: Release) -> (Self, JoinHandle<()>) {
        let (sender, calls) = mpsc::channel(WAITING);
        (Self(sender), tokio::spawn(write(pool, release, calls)))
    }
}

#[derive(Debug)]
struct Call {
    method: String,
    route: Arc<str>,
    status: u16,
    took: Duration,
    at: SystemTime,
}

/// The middleware that sees each call.
pub(crate) async fn note(
    State(log): State<CallLog>,
    route: MatchedPath,
    request: Request,
    next: Next,
) -> Response {
    let (method, at, began) = (request.method().to_string(), SystemTime::now(), Instant::now());
    let response = next.run(request).await;
    let (status, took) = (response.status().as_u16(), began.elapsed());
    let _ = log.0.try_send(Call { method, route: route.as_str().into(), status, took, at });
    response
}

async fn write(pool: Pool, release: Release, mut calls: Receiver<Call>) {
    let mut some = Vec::new();
    while calls.recv_many(&mut some, WAITING).await > 0 {
        if let Err(error) = insert(&pool, release, &some).await {
            tracing::warn!("calls could not be written down: {error}");
        }
        some.clear();
    }
}

async fn insert(pool: &Pool, release: Release, calls: &[Call]) -> Result<(), ApiError> {
    let (mut methods, mut routes, mut statuses, mut times, mut moments) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for call in calls {
        methods.push(call.method.as_str());
        routes.push(&*call.route);
        statuses.push(i16::try_from(call.status).unwrap_or_default());
        times.push(i64::try_from(call.took.as_micros()).unwrap_or(i64::MAX));
        moments.push(call.at);
    }
    let insert = "INSERT INTO api_calls_log (method, route, status, took_us, at, release)
        SELECT *, $6 FROM unnest($1::text[], $2::text[], $3::smallint[], $4::bigint[], $5::timestamptz[])";
    let client = pool.get().await?;
    let insert = client.prepare_cached(insert).await?;
    client.execute(&insert, &[&methods, &routes, &statuses, &times, &moments, &release.to_string()]).await?;
    Ok(())
}
