use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use dunlin_core::{Migrator, Target};
use tokio_postgres::{Client, Config};

use crate::{
    blueprint::{Blueprint, Fixture},
    copies::AHEAD,
    error::{Error, Fault},
    home::Home,
    isolation::Isolation,
    keep,
    lease::Lease,
    schema_lease::SchemaLease,
    scope,
    server::Server,
    session,
    subject::Subject,
    url::shell_word,
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
    place: Place,
    /// The connection that has cleaned the database, for the first who asks for one.
    parked: Mutex<Option<Client>>,
    test: String,
    is_kept: AtomicBool,
}

impl TestDatabase {
    /// Gives a fresh database in which all migrations are applied: those of a `&MigrationSet`, or of a `&Migrator` where they
    /// need what is set there.
    ///
    /// ```
    /// # use dunlin_core as dunlin;
    /// use dunlin::{BoxError, Context, Migrator, RustMigration};
    /// use dunlin_test::TestDatabase;
    ///
    /// struct Region(&'static str);
    ///
    /// struct FirstBird;
    ///
    /// impl RustMigration for FirstBird {
    ///     async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
    ///         let Region(region) = cx.resource::<Region>().ok_or("no region")?;
    ///         cx.client().execute("INSERT INTO birds VALUES ('dunlin', $1)", &[region]).await?;
    ///         Ok(())
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let migrations = dunlin::MigrationSet::builder()
    /// #     .sql(1, "birds", "CREATE TABLE birds (name text, region text)")
    /// #     .rust(2, "first_bird", FirstBird)
    /// #     .build()?;
    /// // As the service has it.
    /// let migrator = Migrator::new(migrations).resource(Region("north"));
    ///
    /// let database = TestDatabase::fresh(&migrator).await?;
    /// let client = database.connect().await?;
    /// let bird = client.query_one("SELECT region FROM birds", &[]).await?;
    /// assert_eq!(bird.get::<_, &str>(0), "north");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The migrator's history, role and `search_path` count for which template the database is a copy of; what its resources
    /// hold can't be seen. Tests of one set whose resources make a difference in the database say so by a
    /// [`fixture`](TestDatabaseBuilder::fixture) of another name. A role has to be there, and to have the right to create in a
    /// new database, where nothing was granted yet.
    ///
    /// # Errors
    /// [`ErrorKind::Migration`](crate::ErrorKind::Migration) if a migration fails, and all that
    /// [`Server::start`](crate::Server::start) may say.
    ///
    /// # Cancel safety
    /// A drop leaves nothing behind that the next test, or the next run, does not use or sweep.
    pub async fn fresh(migrations: impl Into<Subject>) -> Result<Self, Error> {
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
    pub async fn fresh_at(migrations: impl Into<Subject>, target: Target) -> Result<Self, Error> {
        Self::builder(migrations).at(target).create().await
    }

    /// Starts a description of a database that is like no other.
    pub fn builder(migrations: impl Into<Subject>) -> TestDatabaseBuilder {
        TestDatabaseBuilder {
            blueprint: Blueprint::of(migrations.into()),
            server: None,
            isolation: None,
            ahead: AHEAD,
        }
    }

    /// Returns the name of the database, or of the schema where there is no database for each test; it needs no quotes in
    /// SQL.
    #[must_use]
    pub fn name(&self) -> &str {
        self.inner.place.name()
    }

    /// Returns what keeps this test apart from others.
    #[must_use]
    pub fn isolation(&self) -> Isolation {
        match self.inner.place {
            Place::Database(_) => Isolation::Database,
            Place::Schema(_) => Isolation::Schema,
        }
    }

    /// Returns a migrator for a test that migrates: with the history where it is, and nothing that leads elsewhere.
    #[must_use]
    pub fn migrator(&self, migrations: impl Into<Subject>) -> Migrator {
        let migrator = migrations.into().migrator();
        match &self.inner.place {
            Place::Database(_) => migrator,
            Place::Schema(schema) => schema.migrator(migrator),
        }
    }

    /// Returns the server that the database is on.
    #[must_use]
    pub fn server(&self) -> &Server {
        self.inner.place.server()
    }

    /// Returns how to connect to it: through the socket if the server is our own.
    #[must_use]
    pub fn config(&self) -> Config {
        drop(self.inner.unpark());
        self.inner.place.config()
    }

    /// Returns its URL, with the password: through TCP if the server is our own.
    #[must_use]
    pub fn url(&self) -> String {
        drop(self.inner.unpark());
        self.inner.place.url()
    }

    /// Connects. The connection runs as a task on the current runtime, and ends with the client.
    ///
    /// # Errors
    /// [`ErrorKind::Connect`](crate::ErrorKind::Connect) if the server does not answer or refuses.
    ///
    /// # Cancel safety
    /// A drop closes the connection.
    pub async fn connect(&self) -> Result<Client, Error> {
        if let Some(parked) = self.inner.unpark().filter(|client| !client.is_closed()) {
            return Ok(parked);
        }
        session::connect(&self.inner.place.config())
            .await
            .map_err(|source| Fault::Connect { to: format!("the database {}", self.name()), source }.into())
    }

    /// Returns the command that opens the database in psql, with the password.
    #[must_use]
    pub fn psql(&self) -> String {
        self.inner.place.psql()
    }

    /// Keeps the database when the test is over, and prints how to reach it, as for a test that panics.
    pub fn keep(&self) {
        self.inner.is_kept.store(true, Ordering::Relaxed);
    }
}

impl Inner {
    fn unpark(&self) -> Option<Client> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // What can't be read was refused when the database was asked for.
        let asked_for = keep::asked_for().ok().flatten();
        let is_kept = asked_for.unwrap_or_else(|| *self.is_kept.get_mut() || thread::panicking());
        if is_kept {
            self.place.keep(&self.test);
            let (url, psql) = (self.place.url(), self.place.psql());
            let end = self.place.server().keeps_until();
            // Where the test harness shows what a failing test has printed.
            #[expect(clippy::print_stderr, reason = "it is for who reads the failure of a test")]
            {
                eprintln!("the database of {} is kept {end}: {url}\n  {psql}", self.test);
            }
        }
    }
}

/// Where a test's tables are.
#[derive(Debug)]
enum Place {
    Database(Lease),
    Schema(SchemaLease),
}

impl Place {
    fn name(&self) -> &str {
        match self {
            Self::Database(lease) => lease.name(),
            Self::Schema(lease) => lease.name(),
        }
    }

    fn server(&self) -> &Server {
        match self {
            Self::Database(lease) => lease.server(),
            Self::Schema(lease) => lease.server(),
        }
    }

    fn config(&self) -> Config {
        match self {
            Self::Database(lease) => lease.config(),
            Self::Schema(lease) => lease.config(),
        }
    }

    fn url(&self) -> String {
        match self {
            Self::Database(lease) => lease.server().url_of(lease.name()),
            Self::Schema(lease) => lease.url(),
        }
    }

    fn psql(&self) -> String {
        format!("psql {}", shell_word(&self.url()))
    }

    fn keep(&mut self, test: &str) {
        match self {
            Self::Database(lease) => lease.keep(test),
            Self::Schema(lease) => lease.keep(test),
        }
    }
}

/// What a [`TestDatabase`] shall be like. Made by [`TestDatabase::builder`].
#[derive(Clone)]
#[must_use = "a builder does nothing until `create`"]
pub struct TestDatabaseBuilder {
    blueprint: Blueprint,
    server: Option<Server>,
    isolation: Option<Isolation>,
    ahead: usize,
}

impl TestDatabaseBuilder {
    /// Migrates to this target instead of the latest migration.
    pub fn at(mut self, target: Target) -> Self {
        self.blueprint.target = target;
        self
    }

    /// Runs this SQL after the migrations and the fixtures before it. The name is for errors.
    ///
    /// Fixtures are part of the template: they run once, however many tests ask for the same.
    pub fn fixture(mut self, name: impl Into<String>, sql: impl Into<String>) -> Self {
        self.blueprint.fixtures.push(Fixture { name: name.into(), sql: sql.into() });
        self
    }

    /// Takes this server instead of the one that all tests share.
    pub fn server(self, server: &Server) -> Self {
        Self { server: Some(server.clone()), ..self }
    }

    /// Says what keeps tests apart. Without it that is a database, or a schema where the role may not create databases.
    pub fn isolation(self, isolation: Isolation) -> Self {
        Self { isolation: Some(isolation), ..self }
    }

    /// Makes so many databases in the background for the tests that come next, once this one has its own; two, unless this
    /// says otherwise.
    ///
    /// With 0 a test that finds none free waits for a copy, and the process makes no more of them than it uses.
    pub fn ahead(self, count: usize) -> Self {
        Self { ahead: count, ..self }
    }

    /// Gives the database.
    ///
    /// # Errors
    /// As [`TestDatabase::fresh`].
    ///
    /// # Cancel safety
    /// As [`TestDatabase::fresh`].
    pub async fn create(self) -> Result<TestDatabase, Error> {
        keep::asked_for()?;
        let (server, home) = self.home().await?;
        let (place, parked) = match self.isolation.unwrap_or_else(|| home.isolation()) {
            Isolation::Database => {
                let copies = home.copies(&self.blueprint).await?;
                let (lease, parked) = Lease::take(&server, &copies, self.ahead).await?;
                (Place::Database(lease), parked)
            }
            Isolation::Schema => {
                let lease = SchemaLease::create(&server, &home, &self.blueprint).await?;
                (Place::Schema(lease), None)
            }
        };
        let test = thread::current().name().unwrap_or("a test").to_owned();
        let inner = Inner { place, parked: Mutex::new(parked), test, is_kept: AtomicBool::new(false) };
        let database = TestDatabase { inner: Arc::new(inner) };
        scope::register(&database);
        Ok(database)
    }

    /// Makes so many databases ahead of need, and the template if there is none, and returns when they are there. Schemas are
    /// not made ahead.
    ///
    /// # Errors
    /// As [`TestDatabase::fresh`].
    ///
    /// # Cancel safety
    /// What was begun goes on in the background.
    pub async fn prepare(self, count: usize) -> Result<(), Error> {
        let (_, home) = self.home().await?;
        if self.isolation.unwrap_or_else(|| home.isolation()) == Isolation::Schema {
            return Ok(());
        }
        home.copies(&self.blueprint).await?.prepare(count).await
    }

    async fn home(&self) -> Result<(Server, Arc<Home>), Error> {
        let server = match &self.server {
            Some(server) => server.clone(),
            None => Server::of_tests().await?,
        };
        let home = server.home().await?;
        Ok((server, home))
    }
}

impl fmt::Debug for TestDatabaseBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestDatabaseBuilder").field("blueprint", &self.blueprint).finish_non_exhaustive()
    }
}
