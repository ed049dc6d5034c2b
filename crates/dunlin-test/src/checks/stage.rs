use std::time::Duration;

use dunlin_core::{Direct, HistoryTable, MigrationSet, Migrator, Report, Status, Target};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::{checks::Subject, database::Database, error::Error, schema::Schema, scratch};

/// A scratch database that a subject is run on.
#[derive(Debug)]
pub(crate) struct Stage<'a> {
    subject: &'a Subject,
    migrator: Migrator,
    database: Database,
}

/// How long a server may take to notice that a client has gone.
const NOTICES: Duration = Duration::from_secs(10);

impl<'a> Stage<'a> {
    /// An empty one.
    pub(crate) async fn new(subject: &'a Subject) -> Result<Self, Error> {
        // Where a schema leaves it out.
        let migrator = subject.migrator().history(HistoryTable::default());
        Ok(Self { subject, migrator, database: scratch::database().await? })
    }

    /// Another empty one.
    pub(crate) async fn another(&self) -> Result<Self, Error> {
        Self::new(self.subject).await
    }

    pub(crate) fn migrator(&self) -> &Migrator {
        &self.migrator
    }

    pub(crate) fn set(&self) -> &'a MigrationSet {
        self.subject.set()
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    pub(crate) async fn connect(&self) -> Result<Client, Error> {
        self.database.connect().await
    }

    /// Runs the subject on a client, never on what it may know of other servers, with whatever its migrations put off.
    pub(crate) async fn run(&self, target: Target) -> Result<Result<Report, dunlin_core::Error>, Error> {
        let mut client = self.connect().await?;
        let report = match self.migrator.run(&mut client, target).await {
            Ok(report) => report,
            Err(error) => return Ok(Err(error)),
        };
        let connect = Direct::new(self.database.config(), NoTls);
        Ok(self.migrator.finish_backfills(&connect).await.map(|_| report))
    }

    pub(crate) async fn verify(&self) -> Result<Result<(), dunlin_core::Error>, Error> {
        let mut client = self.connect().await?;
        Ok(self.migrator.verify(&mut client).await.map(drop))
    }

    pub(crate) async fn status(&self) -> Result<Result<Status, dunlin_core::Error>, Error> {
        Ok(self.migrator.status(&self.connect().await?).await)
    }

    pub(crate) async fn schema(&self) -> Result<Schema, Error> {
        Schema::read(&self.connect().await?).await
    }

    /// Waits until whoever was cut off has left the lock, so that nothing else waits for it. Should it take too long, the next
    /// run waits by itself.
    pub(crate) async fn wait_for_lock(&self) -> Result<(), Error> {
        let client = self.connect().await?;
        let held = "SELECT FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_database AS d ON d.oid = l.database \
                       WHERE l.locktype = 'advisory' AND d.datname = pg_catalog.current_database()";
        let free = async {
            let is_row = |message: &SimpleQueryMessage| matches!(message, SimpleQueryMessage::Row(_));
            while client.simple_query(held).await.is_ok_and(|messages| messages.iter().any(is_row)) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let _ = tokio::time::timeout(NOTICES, free).await;
        Ok(())
    }
}
