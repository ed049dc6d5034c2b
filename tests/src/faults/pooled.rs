//! A database behind a pooler.

use std::{sync::Arc, time::Duration};

use dunlin::BoxError;
use dunlin_test::Database;
use tokio_postgres::Config;

use crate::{PgBouncer, database};

/// How long it may take to get all the connections of a pool.
const PATIENCE: Duration = Duration::from_secs(30);

/// A new database behind a pooler, which may have others behind it too.
pub(crate) struct Pooled {
    pooler: Arc<PgBouncer>,
    database: Database,
}

impl Pooled {
    pub(crate) async fn new(pooler: &Arc<PgBouncer>) -> Self {
        Self { pooler: Arc::clone(pooler), database: database().await }
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    /// How to connect by way of the pooler.
    pub(crate) fn config(&self) -> Config {
        self.pooler.config(self.database.name())
    }

    /// Looks whether the pooler's connections are as they were before anybody ran.
    ///
    /// # Errors
    /// When something is set, or when one of them can't be had.
    pub(crate) async fn is_as_before(&self) -> Result<(), BoxError> {
        let left = self.pooler.settings_left(self.database.name());
        let left =
            tokio::time::timeout(PATIENCE, left).await.map_err(|_| "a connection of the pool is stuck")?;
        match left.is_empty() {
            true => Ok(()),
            false => Err(format!("left with the pool: {}", left.join(", ")).into()),
        }
    }

    /// Says so if it is the pooler that has gone wrong.
    pub(crate) fn explain(&self, error: BoxError) -> BoxError {
        match self.pooler.last_words() {
            Some(words) => format!("{error}\n  the pooler has ended: {words}").into(),
            None => error,
        }
    }

    /// Ends the pooler's connections. It makes no others.
    pub(crate) async fn disconnect(&self) {
        self.pooler.admin(&format!("KILL {}", self.database.name())).await;
    }

    pub(crate) async fn end(self) -> Result<(), BoxError> {
        self.disconnect().await;
        Ok(self.database.drop().await?)
    }
}
