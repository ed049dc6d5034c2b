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

use deadpool_postgres::{Object, Pool};
use dunlin_core::{Error, Migrator, Report, Target};

/// Takes one connection out of the pool, takes the database to the latest migration with it, and closes it.
///
/// The connection never returns to the pool: a pooled connection could carry the migration lock, an open transaction
/// or a migration's settings to whoever gets it next. The pool opens another in its place when it needs one, so a pool
/// of one connection works as well; while the migration runs, the pool may have one connection more open than its
/// size.
///
/// # Errors
///
/// [`ErrorKind::Connect`](dunlin_core::ErrorKind::Connect) when the pool has no connection to give, and those of
/// [`Migrator::run`].
///
/// # Cancel safety
///
/// Dropping the future cuts the connection. The lock is free and the transaction gone as soon as the server notices:
/// at once between statements, and within a second during one.
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
    let pooled = pool.get().await.map_err(Error::no_connection)?;
    let mut connection = Object::take(pooled);
    migrator.run(&mut connection, target).await
}
