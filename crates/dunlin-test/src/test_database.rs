use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use dunlin_core::{MigrationSet, Migrator, Target};
use tokio_postgres::{Client, Config, NoTls};

use crate::{
    database::Database,
    error::{Error, Fault},
    server::Server,
};

/// A database of its own for one test, with the migrations applied.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let migrations = dunlin_core::MigrationSet::builder().sql(1, "birds", "CREATE TABLE birds (name text)").build()?;
/// let database = dunlin_test::TestDatabase::fresh(&migrations).await?;
/// let client = database.connect().await?;
/// client.execute("INSERT INTO birds VALUES ('dunlin')", &[]).await?;
/// # Ok(())
/// # }
/// ```
///
/// Clones share the database. When the last one is dropped the database is handed back, unless the thread is panicking,
/// [`keep`](Self::keep) was called or `DUNLIN_TEST_KEEP=1` is set: then it stays, and how to reach it is printed.
#[derive(Clone, Debug)]
pub struct TestDatabase {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    database: Database,
    is_kept: AtomicBool,
}

impl TestDatabase {
    /// Gives a fresh database in which all migrations of the set are applied.
    ///
    /// # Errors
    /// [`ErrorKind::Migration`](crate::ErrorKind::Migration) if a migration fails, and all that
    /// [`Server::start`](crate::Server::start) may say.
    ///
    /// # Cancel safety
    /// A drop leaves nothing behind that the next test, or the next run, does not use or sweep.
    pub async fn fresh(migrations: &MigrationSet) -> Result<Self, Error> {
        Self::builder(migrations).create().await
    }

    /// Gives a fresh database that is migrated to the target: for the test of a data migration, which inserts at the
    /// version before, migrates and looks.
    ///
    /// # Errors
    /// As [`fresh`](Self::fresh).
    ///
    /// # Cancel safety
    /// As [`fresh`](Self::fresh).
    pub async fn fresh_at(migrations: &MigrationSet, target: Target) -> Result<Self, Error> {
        Self::builder(migrations).at(target).create().await
    }

    /// Starts a description of a database that is like no other.
    pub fn builder(migrations: &MigrationSet) -> TestDatabaseBuilder {
        TestDatabaseBuilder {
            migrations: migrations.clone(),
            target: Target::Latest,
            fixtures: Vec::new(),
            server: None,
        }
    }

    /// Returns the name; it needs no quotes in SQL.
    #[must_use]
    pub fn name(&self) -> &str {
        self.inner.database.name()
    }

    /// Returns the server that the database is on.
    #[must_use]
    pub fn server(&self) -> &Server {
        self.inner.database.server()
    }

    /// Returns how to connect to it: through the socket if the server is our own.
    #[must_use]
    pub fn config(&self) -> Config {
        self.inner.database.config()
    }

    /// Returns its URL, with the password: through TCP if the server is our own.
    #[must_use]
    pub fn url(&self) -> String {
        self.inner.database.url()
    }

    /// Connects. The connection runs as a task on the current runtime, and ends with the client.
    ///
    /// # Errors
    /// [`ErrorKind::Connect`](crate::ErrorKind::Connect) if the server does not answer or refuses.
    ///
    /// # Cancel safety
    /// A drop closes the connection.
    pub async fn connect(&self) -> Result<Client, Error> {
        self.inner.database.connect().await
    }

    /// Keeps the database when the test is over, and prints how to reach it, as for a test that panics.
    pub fn keep(&self) {
        self.inner.is_kept.store(true, Ordering::Relaxed);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.is_kept.load(Ordering::Relaxed) || thread::panicking() {
            // The inside comes with the pool of clones.
        }
    }
}

/// What a [`TestDatabase`] shall be like. Made by [`TestDatabase::builder`].
#[derive(Clone)]
#[must_use = "a builder does nothing until `create`"]
pub struct TestDatabaseBuilder {
    migrations: MigrationSet,
    target: Target,
    fixtures: Vec<(String, String)>,
    server: Option<Server>,
}

impl TestDatabaseBuilder {
    /// Migrates to this target instead of the latest migration.
    pub fn at(self, target: Target) -> Self {
        Self { target, ..self }
    }

    /// Runs this SQL after the migrations and the fixtures before it. The name is for errors.
    ///
    /// Fixtures are part of the template: they run once, however many tests ask for the same.
    pub fn fixture(mut self, name: impl Into<String>, sql: impl Into<String>) -> Self {
        self.fixtures.push((name.into(), sql.into()));
        self
    }

    /// Takes this server instead of the one that all tests share.
    pub fn server(self, server: &Server) -> Self {
        Self { server: Some(server.clone()), ..self }
    }

    /// Gives the database.
    ///
    /// # Errors
    /// As [`TestDatabase::fresh`].
    ///
    /// # Cancel safety
    /// As [`TestDatabase::fresh`].
    pub async fn create(self) -> Result<TestDatabase, Error> {
        let server = match self.server {
            Some(server) => server,
            None => Server::start().await?,
        };
        let database = server.create_database().await?;
        dunlin_core::migrate_to(&database.config(), NoTls, &Migrator::new(self.migrations), self.target)
            .await
            .map_err(|source| Fault::Migration { source })?;
        let client = database.connect().await?;
        for (name, sql) in self.fixtures {
            client.batch_execute(&sql).await.map_err(|source| Fault::Fixture { name, source })?;
        }
        Ok(TestDatabase { inner: Arc::new(Inner { database, is_kept: AtomicBool::new(false) }) })
    }
}

impl fmt::Debug for TestDatabaseBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestDatabaseBuilder")
            .field("migrations", &self.migrations.len())
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}
