//! The example, against a real PostgreSQL: what the migration promises, and what the service does on top of it.

#![allow(clippy::unwrap_used, reason = "where a helper of a test fails, the test has failed")]

mod down;
mod program;
mod up;
mod workflow;

use collection_snapshots::{Legacy, migrator};
use dunlin::{Error, Report};
use dunlin_test::{Database, Server};
use tokio::sync::OnceCell;
use tokio_postgres::{Client, NoTls};

/// The server that the tests of this process share; it ends with the process.
static SERVER: OnceCell<Server> = OnceCell::const_new();

/// A database of its own for a test, as the shell script left it.
async fn database(legacy: Legacy) -> (Database, Client) {
    let server = SERVER.get_or_init(async || Server::start().await.unwrap()).await;
    let database = server.create_database().await.unwrap();
    let client = database.connect().await.unwrap();
    legacy.prepare(&client).await.unwrap();
    (database, client)
}

/// What the service does first.
async fn boot(database: &Database) -> Result<Report, Error> {
    dunlin::migrate(&database.config(), NoTls, &migrator()).await
}
