//! What several topics need.

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use axum_service::{CallLog, Release, Service};
use deadpool_postgres::Pool;
use http_body_util::BodyExt;
use serde_json::Value;
use tokio_postgres::Client;
use tower::ServiceExt;

/// The only column of a query.
pub(crate) async fn column<T>(client: &Client, query: &str) -> Result<Vec<T>, tokio_postgres::Error>
where
    T: for<'a> tokio_postgres::types::FromSql<'a>,
{
    client.query(query, &[]).await?.iter().map(|row| row.try_get(0)).collect()
}

/// The routes of a release, without a server.
pub(crate) struct Api {
    pool: Pool,
    routes: Router,
    log: tokio::task::JoinHandle<()>,
}

impl Api {
    pub(crate) fn of(pool: &Pool, release: Release) -> Self {
        let (calls, log) = CallLog::start(pool.clone(), release);
        Self { pool: pool.clone(), routes: Service::new(pool.clone(), release, calls).routes(), log }
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::CONTENT_TYPE, "application/json");
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let response = self.routes.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (status, body) = self.send(Method::GET, path, None).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    /// Gives the id of what was created.
    pub(crate) async fn create(&self, path: &str, body: Value) -> String {
        let (status, body) = self.send(Method::POST, path, Some(body)).await;
        assert_eq!(status, StatusCode::CREATED, "{path}: {body}");
        body["id"].as_str().unwrap().to_owned()
    }

    /// Ends it when all calls are written down.
    pub(crate) async fn end(self) -> Pool {
        drop(self.routes);
        self.log.await.unwrap();
        self.pool
    }
}
