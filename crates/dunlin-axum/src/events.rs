use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderName, StatusCode, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use dunlin_startup::{Changes, Phase, Snapshot, Startup};
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::Updates;
use crate::page::is_over;

/// So many may listen at once. Whoever comes then is sent away, and the page tries again.
const LISTENERS: usize = 32;

/// Not more often than this does a listener get something.
const PACE: Duration = Duration::from_millis(250);

/// So often the times are told though nothing has happened: while something is under way, and after.
const TICK: Duration = Duration::from_secs(1);
const SLOW_TICK: Duration = Duration::from_secs(15);

/// After so long a browser that has lost its stream asks for another.
const RETRY: Duration = Duration::from_secs(2);

/// What the page listens to: server-sent events called `parts`, each with the sections that have changed, as HTML; at first all of them.
///
/// There are at most four a second for each listener, and one every 15 seconds when nothing changes. At most 32 may listen; others get 503.
/// A stream ends once the start [has ended](Startup::has_ended), however it stands: it would hold up a server that waits for its connections to end.
pub fn events<S>(startup: &Startup) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let startup = startup.clone();
    let places = Arc::new(Semaphore::new(LISTENERS));
    get(async move || -> Response {
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            let headers = [(header::RETRY_AFTER, "3"), (header::CACHE_CONTROL, "no-store")];
            return (StatusCode::SERVICE_UNAVAILABLE, headers, "as many listen as may\n").into_response();
        };
        let listener = Listener::new(&startup, place);
        let events = stream::unfold(listener, async |mut listener| {
            let event = listener.next().await?;
            Some((Ok::<_, Infallible>(event), listener))
        });
        // The second is for nginx, which would keep events back.
        let headers =
            [(header::CACHE_CONTROL, "no-store"), (HeaderName::from_static("x-accel-buffering"), "no")];
        (headers, Sse::new(events)).into_response()
    })
}

/// Somebody who looks at the page.
struct Listener {
    startup: Startup,
    changes: Changes,
    updates: Updates,
    phase: Phase,
    has_ended: bool,
    /// When it may be told something again.
    next: Instant,
    is_first: bool,
    _place: OwnedSemaphorePermit,
}

impl Listener {
    fn new(startup: &Startup, place: OwnedSemaphorePermit) -> Self {
        Self {
            startup: startup.clone(),
            changes: startup.progress(),
            updates: Updates::new(),
            phase: Phase::Starting,
            has_ended: false,
            next: Instant::now(),
            is_first: true,
            _place: place,
        }
    }

    /// Nothing once there is nothing to come. Dropping the future misses nothing.
    async fn next(&mut self) -> Option<Event> {
        while !self.has_ended {
            tokio::time::sleep_until(self.next).await;
            let mut snapshot = self.change().await;
            self.has_ended = self.startup.has_ended();
            if self.has_ended {
                // It may have ended between the two.
                snapshot = self.startup.snapshot();
            }
            self.phase = snapshot.phase;
            if let Some(html) = self.updates.next(&snapshot) {
                self.next = Instant::now() + PACE;
                let event = Event::default().event("parts").data(html);
                return Some(if std::mem::take(&mut self.is_first) { event.retry(RETRY) } else { event });
            }
        }
        None
    }

    async fn change(&mut self) -> Snapshot {
        let patience = if is_over(self.phase) { SLOW_TICK } else { TICK };
        match tokio::time::timeout(patience, self.changes.next()).await {
            Ok(snapshot) => snapshot,
            Err(_) => self.startup.snapshot(),
        }
    }
}
