use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use dunlin_startup::{Phase, Startup};
use futures_util::future::Either;
use tower_layer::Layer;
use tower_service::Service;

use crate::answer::Answer;

/// A layer that lets requests through once the schema is there.
///
/// A service that was ready and is told to stop lets them through to its end: who sends them learns of that from
/// [`readyz`](crate::readyz), and later than the service itself.
///
/// ```
/// use std::time::Duration;
///
/// use axum::{Router, routing::get};
/// use dunlin_axum::Gate;
///
/// # fn f(startup: dunlin_startup::Startup) -> Router {
/// let app = Router::new()
///     .route("/orders", get(async || "orders"))
///     .layer(Gate::hold(&startup, Duration::from_secs(5)))
///     // What is merged after the layer is not behind it.
///     .merge(dunlin_axum::probes(&startup));
/// # app }
/// ```
#[derive(Clone)]
pub struct Gate {
    startup: Startup,
    patience: Duration,
}

impl Gate {
    /// Answers 503 until the service is ready, with `Retry-After` and the JSON of [`readyz`](crate::readyz).
    #[must_use]
    pub fn refuse(startup: &Startup) -> Self {
        Self::hold(startup, Duration::ZERO)
    }

    /// Lets requests wait until the service is ready, for so long at most; then it answers as [`refuse`](Self::refuse) does, and at
    /// once when the service will not be ready by itself.
    ///
    /// It keeps each request that waits, and its connection: give it seconds, not the time that migrations take.
    #[must_use]
    pub fn hold(startup: &Startup, patience: Duration) -> Self {
        Self { startup: startup.clone(), patience }
    }

    fn is_open(&self) -> bool {
        let stops = || matches!(self.startup.phase(), Phase::Stopping | Phase::Stopped);
        self.startup.is_ready() || (stops() && self.startup.has_started())
    }

    /// Whether it opens before the patience is at its end.
    async fn opens(&self) -> bool {
        let ready = tokio::time::timeout(self.patience, self.startup.wait_ready());
        !self.patience.is_zero() && matches!(ready.await, Ok(Ok(())))
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("patience", &self.patience).finish_non_exhaustive()
    }
}

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, service: S) -> Gated<S> {
        Gated { gate: self.clone(), service }
    }
}

/// A service behind a [`Gate`].
#[derive(Clone, Debug)]
pub struct Gated<S> {
    gate: Gate,
    service: S,
}

impl<S, R> Service<R> for Gated<S>
where
    S: Service<R, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    R: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<S::Future, Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: R) -> Self::Future {
        if self.gate.is_open() {
            return Either::Left(self.service.call(request));
        }
        let gate = self.gate.clone();
        // The one that has said it is ready is the one to call.
        let another = self.service.clone();
        let mut service = std::mem::replace(&mut self.service, another);
        Either::Right(Box::pin(async move {
            if gate.opens().await {
                return service.call(request).await;
            }
            Ok(Answer::of(&gate.startup).respond(StatusCode::SERVICE_UNAVAILABLE))
        }))
    }
}
