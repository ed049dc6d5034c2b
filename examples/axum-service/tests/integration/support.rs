//! What several topics need.

use std::path::Path;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use axum_service::fleet::Process;
use axum_service::{CallLog, Release, Service, seed};
use deadpool_postgres::Pool;
use dunlin_test::{Database, Server};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::time::sleep;
use tokio_postgres::{Client, NoTls};
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

/// For what should be there at once, on a machine that has other things to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_axum-service"))
}

/// A database as release 1 has left it.
pub(crate) struct Old {
    pub(crate) database: Database,
    pub(crate) client: Client,
}

impl Old {
    pub(crate) async fn with(rows: u64) -> Self {
        let database = Server::shared().await.unwrap().create_database().await.unwrap();
        let mut client = database.connect().await.unwrap();
        dunlin::migrate(&database.config(), NoTls, &Release::One.migrator("old")).await.unwrap();
        seed(&mut client, rows).await.unwrap();
        Self { database, client }
    }

    /// Starts a replica, which is alive then.
    pub(crate) async fn start(&self, release: Release, name: &str) -> Process {
        Process::start(program(), release, name, &self.database.url()).await.unwrap()
    }

    /// Who has applied the migrations of release 2, in their order.
    pub(crate) async fn applied_by(&self) -> Vec<String> {
        let by = "SELECT application FROM dunlin_history WHERE version > 4 ORDER BY version";
        column(&self.client, by).await.unwrap()
    }
}

/// Three replicas of release 2 that have begun, and a snapshot that holds them up: an index that is built concurrently is done when nobody
/// sees the table as it was before.
pub(crate) struct Held {
    pub(crate) snapshot: Client,
    pub(crate) replicas: Vec<Process>,
}

impl Held {
    pub(crate) async fn start(old: &Old) -> Self {
        let snapshot = old.database.connect().await.unwrap();
        snapshot.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1").await.unwrap();
        let (a, b, c) = tokio::join!(
            old.start(Release::Two, "a"),
            old.start(Release::Two, "b"),
            old.start(Release::Two, "c")
        );
        let held = Self { snapshot, replicas: vec![a, b, c] };
        held.migrates().await;
        held
    }

    /// The one that migrates, and the others.
    pub(crate) async fn roles<const N: usize>(&self) -> [&Process; N] {
        let migrates = self.migrates().await;
        let mut all: Vec<&Process> = self.replicas.iter().collect();
        all.sort_by_key(|replica| replica.name() != migrates);
        all.truncate(N);
        all.try_into().unwrap()
    }

    /// Waits until one of them is at the index, and says which.
    async fn migrates(&self) -> String {
        let began = Instant::now();
        loop {
            assert!(began.elapsed() < PATIENCE, "nobody migrates");
            for replica in &self.replicas {
                if replica.migrations().await.unwrap()["running"]["version"] == 7 {
                    return replica.name().to_owned();
                }
            }
            sleep(Duration::from_millis(5)).await;
        }
    }
}
