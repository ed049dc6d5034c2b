use axum::extract::FromRef;
use axum::routing::{get, patch, post};
use axum::{Router, middleware};
use deadpool_postgres::Pool;

use crate::{CallLog, Release, call_log, clusters, conversations, search, utterances};

/// What all requests share.
#[derive(Clone, Debug)]
pub struct Service {
    pool: Pool,
    release: Release,
    calls: CallLog,
}

impl Service {
    /// The service on a database that is migrated.
    #[must_use]
    pub fn new(pool: Pool, release: Release, calls: CallLog) -> Self {
        Self { pool, release, calls }
    }

    /// The routes that people use.
    pub fn routes(self) -> Router {
        Router::new()
            .route("/conversations", post(conversations::create))
            .route("/conversations/{id}", get(conversations::read))
            .route("/conversations/{id}/utterances", post(utterances::add))
            .route("/conversations/{id}/clusters", get(clusters::list))
            .route("/utterances/{id}", patch(utterances::edit))
            .route("/utterances/{id}/bookmark", post(utterances::bookmark))
            .route("/search", get(search::search))
            // Inside of the routes: it is told which of them was asked for.
            .route_layer(middleware::from_fn_with_state(self.calls.clone(), call_log::note))
            .with_state(self)
    }
}

impl FromRef<Service> for Pool {
    fn from_ref(service: &Service) -> Self {
        service.pool.clone()
    }
}

impl FromRef<Service> for Release {
    fn from_ref(service: &Service) -> Self {
        service.release
    }
}
