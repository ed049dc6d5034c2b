//! On whose connection the scenario is applied.

use std::fmt;

use deadpool_postgres::{Manager, Pool};
use dunlin::{Error, ErrorKind, Report, Target};
use tokio_postgres::{Client, Config, NoTls};

use crate::faults::scenario::migrator;

/// On whose connection the scenario is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runner {
    /// On one of dunlin's own: `dunlin::migrate`.
    Boot,
    /// On one out of a pool: `dunlin_deadpool::migrate`.
    Pool,
    /// On one that is the caller's: `Migrator::run`.
    Caller,
}

/// A runner with what it runs on.
pub(crate) enum Prepared {
    Boot(Config),
    Pool(Pool),
    Caller(Client),
}

impl Runner {
    pub(crate) const ALL: [Self; 3] = [Self::Boot, Self::Pool, Self::Caller];

    pub(crate) async fn prepare(self, config: &Config) -> Result<Prepared, Error> {
        Ok(match self {
            Self::Boot => Prepared::Boot(config.clone()),
            Self::Pool => {
                let pool = Pool::builder(Manager::new(config.clone(), NoTls)).max_size(1).build();
                Prepared::Pool(pool.map_err(Error::no_connection)?)
            }
            Self::Caller => {
                let (client, connection) = config.connect(NoTls).await.map_err(Error::no_connection)?;
                tokio::spawn(connection);
                Prepared::Caller(client)
            }
        })
    }

    /// Applies the scenario.
    pub(crate) async fn run(self, config: &Config) -> Result<Report, Error> {
        self.prepare(config).await?.run().await
    }
}

impl Prepared {
    /// Applies the scenario. What it runs on is still there when the future is dropped.
    pub(crate) async fn run(&mut self) -> Result<Report, Error> {
        let migrator = migrator();
        match self {
            Self::Boot(config) => dunlin::migrate(config, NoTls, &migrator).await,
            Self::Pool(pool) => dunlin_deadpool::migrate(pool, &migrator).await,
            Self::Caller(client) => migrator.run(client, Target::Latest).await,
        }
    }
}

/// Whether an error says that the connection was lost, or could not be had.
pub(crate) fn is_lost(error: &Error) -> bool {
    let shut_down = error.code().is_some_and(|code| code.code().starts_with("57P"));
    shut_down || matches!(error.kind(), ErrorKind::Connect | ErrorKind::Connection)
}

impl fmt::Display for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Boot => "own connection",
            Self::Pool => "pool",
            Self::Caller => "caller's connection",
        })
    }
}
