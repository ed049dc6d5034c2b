//! Migrates the database of a [`deadpool_postgres`] pool when a service boots.
//!
//! ```no_run
//! # async fn boot(migrations: dunlin_core::MigrationSet) -> Result<(), Box<dyn std::error::Error>> {
//! use deadpool_postgres::{Config, Runtime, tokio_postgres::NoTls};
//! use dunlin_core::Migrator;
//!
//! let mut config = Config::new();
//! config.url = Some("postgres://orders@db/orders".to_owned());
//! let pool = config.create_pool(Some(Runtime::Tokio1), NoTls)?;
//!
//! dunlin_deadpool::migrate(&pool, &Migrator::new(migrations)).await?;
//! # Ok(()) }
//! ```

#![deny(missing_docs)]

use std::ops::Deref;

use async_trait::async_trait;
use deadpool_postgres::tokio_postgres::Client;
use deadpool_postgres::{ClientWrapper, Object, Pool};
use dunlin_core::{Connect, Connection, Error, Migrator, Report, Target};

/// Takes one connection out of the pool, takes the database to the latest migration with it, and closes it.
///
/// The connection never returns to the pool: a pooled connection could carry the migration lock, an open transaction
/// or a migration's settings to whoever gets it next. The pool opens another in its place when it needs one, so a pool
/// of one connection works as well; while the migration runs, the pool may have one connection more open than its
/// size. A connection that is lost on the way is replaced by another of the pool's, as
/// [`Migrator::run_through`] says.
///
/// # Errors
///
/// [`ErrorKind::Connect`](dunlin_core::ErrorKind::Connect) when the pool has no connection to give, and those of
/// [`Migrator::run_through`].
///
/// # Cancel safety
///
/// Dropping the future cuts the connection and asks the server to cancel what runs: neither a transaction nor the lock
/// stays.
pub async fn migrate(pool: &Pool, migrator: &Migrator) -> Result<Report, Error> {
    migrate_to(pool, migrator, Target::Latest).await
}

/// [`migrate`] to another target.
///
/// # Errors
///
/// As [`migrate`].
///
/// # Cancel safety
///
/// As [`migrate`].
pub async fn migrate_to(pool: &Pool, migrator: &Migrator, target: Target) -> Result<Report, Error> {
    migrator.run_through(&Pooled::new(pool), target).await
}

/// Connections that are taken out of a pool, for what asks for [`Connect`]. None returns to the pool.
///
/// ```no_run
/// # async fn f(migrator: dunlin_core::Migrator, pool: deadpool_postgres::Pool) -> Result<(), dunlin_core::Error> {
/// use dunlin_deadpool::Pooled;
///
/// println!("{}", migrator.diagnose(&Pooled::new(&pool)).await?);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Pooled(Pool);

impl Pooled {
    /// Connections of this pool.
    #[must_use]
    pub fn new(pool: &Pool) -> Self {
        Self(pool.clone())
    }
}

#[async_trait]
impl Connect for Pooled {
    async fn connect(&self) -> Result<Connection, Error> {
        let pooled = self.0.get().await.map_err(Error::no_connection)?;
        Ok(Connection::new(TakenOut(Object::take(pooled))))
    }
}

struct TakenOut(ClientWrapper);

impl Deref for TakenOut {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.0
    }
}
