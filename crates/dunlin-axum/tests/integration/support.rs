//! Starts that stand where a test wants them.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use dunlin_core::{BoxError, Context, Direct, MigrationSet, Migrator, RustMigration};
use dunlin_startup::{Phase, Startup};
use dunlin_test::TestDatabase;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_postgres::NoTls;
use tower::ServiceExt;

/// How long anything may take that a test waits for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A start whose second migration runs until it is told to go on.
pub(crate) struct Held {
    pub(crate) startup: Startup,
    go_on: Arc<Semaphore>,
    _database: TestDatabase,
}

impl Held {
    pub(crate) async fn start() -> Self {
        let go_on = Arc::new(Semaphore::new(0));
        let set = MigrationSet::builder()
            .sql(1, "create_birds", "CREATE TABLE birds (name text NOT NULL)")
            .rust(2, "wait_for_the_tide", Waits(Arc::clone(&go_on)))
            .sql(3, "count_birds", "CREATE INDEX birds_by_name ON birds (name)");
        let database = empty().await;
        let startup = start(&database, set.build().unwrap());
        let held = Self { startup, go_on, _database: database };
        let waits =
            |startup: &Startup| startup.snapshot().running.is_some_and(|running| running.id.version() == 2);
        held.until("the second migration runs", waits).await;
        held
    }

    /// Lets the migration come to its end.
    pub(crate) fn go_on(&self) {
        self.go_on.add_permits(1);
    }

    /// Waits for something to be so.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&Startup) -> bool) {
        until(&self.startup, what, is_so).await;
    }
}

/// A start that has ended like this.
pub(crate) async fn ended(set: MigrationSet, phase: Phase) -> (Startup, TestDatabase) {
    let database = empty().await;
    let startup = start(&database, set);
    until(&startup, phase.as_str(), |startup| startup.phase() == phase).await;
    (startup, database)
}

/// A start whose migration can't be applied.
pub(crate) async fn failed() -> (Startup, TestDatabase) {
    let set = MigrationSet::builder().sql(1, "create_birds", "CREATE TABLE birds (name text NOT NULL)").sql(
        2,
        "count_ducks",
        "\n\nCREATE INDEX ducks_by_name ON ducks (name)",
    );
    ended(set.build().unwrap(), Phase::Failed).await
}

pub(crate) async fn until(startup: &Startup, what: &str, is_so: impl Fn(&Startup) -> bool) {
    let mut changes = startup.progress();
    let waited = tokio::time::timeout(PATIENCE, async {
        while !is_so(startup) {
            let _ = changes.next().await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{what}: {:?}", startup.snapshot()));
}

pub(crate) fn start(database: &TestDatabase, set: MigrationSet) -> Startup {
    let migrator = Migrator::new(set).application("birds 1.0");
    Startup::new(Direct::new(database.config(), NoTls), migrator).start()
}

pub(crate) async fn empty() -> TestDatabase {
    TestDatabase::fresh(&MigrationSet::builder().build().unwrap()).await.unwrap()
}

/// The answer to a GET.
pub(crate) async fn get(app: &Router, path: &str) -> Response {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let answered = tokio::time::timeout(PATIENCE, app.clone().oneshot(request)).await;
    answered.expect("it is answered").unwrap()
}

/// Its status and its text.
pub(crate) async fn text(app: &Router, path: &str) -> (StatusCode, String) {
    let response = get(app, path).await;
    let status = response.status();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

pub(crate) fn header(response: &Response, name: header::HeaderName) -> &str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

/// Serves it on a port of its own for as long as the runtime lives, and returns its address.
pub(crate) async fn serve(app: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
    address
}

struct Waits(Arc<Semaphore>);

impl RustMigration for Waits {
    async fn up(&self, _: &Context<'_>) -> Result<(), BoxError> {
        self.0.acquire().await?.forget();
        Ok(())
    }
}
