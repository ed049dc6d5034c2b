use std::sync::Arc;

use dunlin_core::{Connect, Connection, Migrator};

use crate::dry_run::{self, DryRun, Sample};
use crate::error::{Error, Fault, text_of};
use crate::run::{Place, Purpose, run};
use crate::status::{Quarantined, Status};
use crate::tables::Tables;
use crate::trouble::Trouble;
use crate::{Backfill, Report};

/// The backfills of a database, from any process: to look at them, to stop them and let them go on, and to work on them beside the
/// service that has begun.
///
/// ```no_run
/// # use dunlin_backfill::Backfill;
/// # async fn example(set: dunlin_core::MigrationSet, full_names: impl Backfill) -> Result<(), Box<dyn std::error::Error>> {
/// use dunlin_backfill::{Backfills, Sample};
/// use dunlin_core::{Direct, Migrator};
/// use tokio_postgres::NoTls;
///
/// let backfills = Backfills::new(Migrator::new(set), Direct::new("host=db user=orders".parse()?, NoTls));
/// println!("{}", backfills.dry_run("full_names", &full_names, Sample::Rows(10_000)).await?);
/// for status in backfills.status().await? {
///     println!("{status}");
/// }
/// backfills.pause("full_names").await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Backfills {
    migrator: Migrator,
    connect: Arc<dyn Connect>,
}

impl Backfills {
    /// Those of the migrator's history, on connections from here.
    pub fn new(migrator: Migrator, connect: impl Connect + 'static) -> Self {
        Self { migrator, connect: Arc::new(connect) }
    }

    /// Says how far all of them are, in the order in which they began. None is there before the first has begun.
    ///
    /// # Errors
    ///
    /// When the server can't be asked.
    pub async fn status(&self) -> Result<Vec<Status>, Error> {
        let (client, tables) = self.open("*").await?;
        let read = async {
            if !tables.look(&client).await? {
                return Ok(Vec::new());
            }
            Status::of(&client, &tables, None).await
        };
        read.await.map_err(|trouble: Trouble| refused("*", trouble))
    }

    /// Lets its workers stop when they have written what they have in hand. They wait, and go on when somebody says
    /// [`resume`](Self::resume).
    ///
    /// # Errors
    ///
    /// When there is no such backfill, or the server can't be asked.
    pub async fn pause(&self, name: &str) -> Result<(), Error> {
        self.want(name, "pause").await
    }

    /// Lets it go on, after a pause or a cancel. One that was cancelled needs somebody who calls it again.
    ///
    /// # Errors
    ///
    /// As [`pause`](Self::pause).
    pub async fn resume(&self, name: &str) -> Result<(), Error> {
        self.want(name, "run").await
    }

    /// Ends it: its workers write what they have in hand, and whoever has called it gets an error of the kind
    /// [`Cancelled`](crate::ErrorKind::Cancelled). What was done stays, and it can be [resumed](Self::resume).
    ///
    /// # Errors
    ///
    /// As [`pause`](Self::pause).
    pub async fn cancel(&self, name: &str) -> Result<(), Error> {
        self.want(name, "cancel").await
    }

    /// The rows that were set aside, in the order in which that happened.
    ///
    /// # Errors
    ///
    /// When the server can't be asked.
    pub async fn quarantined(&self, name: &str) -> Result<Vec<Quarantined>, Error> {
        let (client, tables) = self.open(name).await?;
        let read = async {
            if !tables.look(&client).await? {
                return Ok(Vec::new());
            }
            let sql = format!(
                "SELECT key, kind, at FROM {} WHERE job OPERATOR(pg_catalog.=) $1 ORDER BY at, key",
                tables.quarantine
            );
            let rows = client.query(&sql, &[&name]).await?;
            let read = |row: &tokio_postgres::Row| {
                Ok(Quarantined { key: row.try_get(0)?, kind: row.try_get(1)?, at: row.try_get(2)? })
            };
            rows.iter().map(read).collect()
        };
        read.await.map_err(|trouble: Trouble| refused(name, trouble))
    }

    /// Works on a backfill until it is done: beside the service that has begun it, or before any has. Any number of processes may.
    ///
    /// The name is that of its migration, which finds nothing left to do then.
    ///
    /// # Errors
    ///
    /// Any [`ErrorKind`](crate::ErrorKind), `Stopped` when the migrator's [stop](dunlin_core::Migrator::stop_on) was asked for. What was done stays, and the next call goes on.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future undoes the transactions that are open. What was written before is written down, and the next call goes on.
    pub async fn run(&self, name: &str, backfill: &impl Backfill) -> Result<Report, Error> {
        let (client, _) = self.open(name).await?;
        run(self.place(&client), name, backfill, Purpose::Work, None, &|_, _| ()).await
    }

    /// Looks at the rows that were set aside once more, after they or the code were mended, and forgets that they were.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run).
    pub async fn retry_quarantined(&self, name: &str, backfill: &impl Backfill) -> Result<Report, Error> {
        let (client, _) = self.open(name).await?;
        run(self.place(&client), name, backfill, Purpose::Retry, None, &|_, _| ()).await
    }

    /// Reads and converts rows, writes them in transactions that are rolled back, so that constraints and triggers have their say, and
    /// says what would come of it. Rows are locked for the time of a batch, sequences move on, and nothing else remains.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), without those about poison rows, which are counted.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind.
    pub async fn dry_run(
        &self,
        name: &str,
        backfill: &impl Backfill,
        sample: Sample,
    ) -> Result<DryRun, Error> {
        let (client, _) = self.open(name).await?;
        dry_run::dry_run(self.place(&client), name, backfill, sample).await
    }

    async fn want(&self, name: &str, what: &str) -> Result<(), Error> {
        let (client, tables) = self.open(name).await?;
        let written = async {
            if !tables.look(&client).await? {
                return Ok(0);
            }
            let sql = format!("UPDATE {} SET wanted = $2 WHERE name OPERATOR(pg_catalog.=) $1", tables.jobs);
            Ok(client.execute(&sql, &[&name, &what]).await?)
        };
        match written.await.map_err(|trouble: Trouble| refused(name, trouble))? {
            0 => Err(Error::new(name, Fault::Unknown)),
            _ => Ok(()),
        }
    }

    async fn open(&self, name: &str) -> Result<(Connection, Tables), Error> {
        let connection = self.migrator.open(&*self.connect).await;
        let connection = connection.map_err(|error| Error::new(name, Fault::Core(error)))?;
        let tables = Tables::beside(self.migrator.history_table());
        Ok((connection, tables.map_err(|error| Error::new(name, Fault::Names(error)))?))
    }

    fn place<'a>(&'a self, client: &'a Connection) -> Place<'a> {
        Place { migrator: &self.migrator, client, connect: Some(&*self.connect) }
    }
}

impl std::fmt::Debug for Backfills {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backfills").field("migrator", &self.migrator).finish_non_exhaustive()
    }
}

fn refused(name: &str, trouble: Trouble) -> Error {
    let what = "the server refused to say how far it is";
    Error::new(
        name,
        match trouble {
            Trouble::Server(error) => {
                Fault::Refused { what, text: text_of(&error), code: error.code().cloned() }
            }
            other => other.into_fault(what),
        },
    )
}
