//! What several topics need.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use dunlin_core::{BoxError, Context, Direct, MigrationSet, RustMigration};
use dunlin_startup::{Snapshot, Startup};
use dunlin_test::{Database, Server};
use tokio::sync::watch;
use tokio_postgres::{Client, NoTls};

pub(crate) async fn database() -> Database {
    Server::shared().await.unwrap().create_database().await.unwrap()
}

pub(crate) fn connect(database: &Database) -> Direct<NoTls> {
    Direct::new(database.config(), NoTls)
}

/// Migrations 1, 2, 3, ... of these texts.
pub(crate) fn texts(texts: &[&str]) -> MigrationSet {
    let numbered = texts.iter().zip(1..);
    let set = numbered.fold(MigrationSet::builder(), |set, (text, n)| set.sql(n, format!("m{n}"), text));
    set.build().unwrap()
}

/// Waits until a start is like this.
pub(crate) async fn until(startup: &Startup, is: impl Fn(&Snapshot) -> bool) -> Snapshot {
    let mut changes = startup.progress();
    let waiting = async {
        loop {
            let snapshot = changes.next().await;
            if is(&snapshot) {
                return snapshot;
            }
        }
    };
    match tokio::time::timeout(Duration::from_secs(30), waiting).await {
        Ok(snapshot) => snapshot,
        Err(_) => panic!("{:#?}", startup.snapshot()),
    }
}

/// A migration in Rust that waits until the test lets it go on.
pub(crate) struct Held(pub(crate) Gate);

/// What the test has of it.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Mutex<watch::Sender<[bool; 2]>>>);

impl Gate {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(watch::Sender::new([false, false]))))
    }

    fn receiver(&self) -> watch::Receiver<[bool; 2]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).subscribe()
    }

    pub(crate) fn open(&self) {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sender.send_modify(|[_, is_open]| *is_open = true);
    }

    /// Says that somebody is there, and waits until it may go on.
    pub(crate) async fn wait(&self) -> Result<(), BoxError> {
        let mut receiver = self.receiver();
        let sender = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sender().send_modify(|[is_reached, _]| *is_reached = true);
        receiver.wait_for(|[_, is_open]| *is_open).await?;
        Ok(())
    }

    /// Waits until somebody is there.
    pub(crate) async fn reached(&self) {
        let mut receiver = self.receiver();
        let waiting = receiver.wait_for(|[is_reached, _]| *is_reached);
        drop(tokio::time::timeout(Duration::from_secs(30), waiting).await.unwrap().unwrap());
    }
}

impl RustMigration for Held {
    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        cx.client().batch_execute("CREATE TABLE held (id int)").await?;
        self.0.wait().await
    }
}

/// How many advisory locks are held in the database, and how many sessions are inside a transaction: what stays.
pub(crate) async fn left_behind(client: &Client) -> (i64, i64) {
    let sql = "SELECT (SELECT count(*) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database \
                       WHERE l.locktype = 'advisory' AND d.datname = current_database()), \
               (SELECT count(*) FROM pg_stat_activity \
                WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL \
                AND backend_type = 'client backend')";
    let began = Instant::now();
    loop {
        let row = client.query_one(sql, &[]).await.unwrap();
        let left = (row.get(0), row.get(1));
        if left == (0, 0) || began.elapsed() > Duration::from_secs(5) {
            return left;
        }
    }
}
