//! Work of migrations that goes on after the run.

use tokio_postgres::Client;

use crate::history::{Record, RecordState};
use crate::history_sql::{Event, RunName};
use crate::jitter::random_name;
use crate::wire::{Wire, flag};
use crate::{BoxError, Connect, Context, Error, MigrationId, Migrator};

impl Migrator {
    /// Finishes the backfills that migrations have put off, one after the other, in their order. It takes no lock: any number of
    /// processes may, and share the work; and a service answers meanwhile. Says which were not finished before.
    ///
    /// A service calls it in a task of its own after [`migrate`](crate::migrate), or leaves it to a program that does nothing else.
    ///
    /// ```no_run
    /// # async fn boot(set: dunlin_core::MigrationSet) -> Result<(), Box<dyn std::error::Error>> {
    /// use dunlin_core::{Direct, Migrator, Target};
    /// use tokio_postgres::NoTls;
    ///
    /// let connect = Direct::new("host=db user=orders".parse()?, NoTls);
    /// let migrator = Migrator::new(set);
    /// migrator.run_through(&connect, Target::Latest).await?;
    /// tokio::spawn(async move {
    ///     if let Err(error) = migrator.finish_backfills(&connect).await {
    ///         eprintln!("a backfill is not finished: {error:?}");
    ///     }
    /// });
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Migration`](crate::ErrorKind::Migration) when a backfill fails: those after it are not begun. And when the
    /// server can't be reached, or the history not be read.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future undoes the transactions that are open. What was done before stays, and the next call goes on.
    pub async fn finish_backfills(&self, connect: &dyn Connect) -> Result<Vec<MigrationId>, Error> {
        self.check_build()?;
        if !self.set.iter().any(|migration| migration.is_backfill()) {
            return Ok(Vec::new());
        }
        let connect = self.direct.as_deref().unwrap_or(connect);
        let connection = self.open(connect).await?;
        let records = self.records(&Wire::new(&connection)).await?.unwrap_or_default();
        let applied = |record: &&Record| record.state() == RecordState::Applied;
        let mut finished = Vec::new();
        for record in records.iter().filter(applied) {
            let Some(member) = self.set.find(record.version()) else { continue };
            let (migration, id) = (&*member.migration, member.id());
            if !migration.is_backfill() {
                continue;
            }
            let cx = Context::new(&connection, id, self, Some(connect));
            let failed = |error: BoxError| Error::backfill_failed(id.clone(), error);
            if !migration.is_backfilled(&cx).await.map_err(failed)? {
                migration.backfill(&cx).await.map_err(failed)?;
                finished.push(id.clone());
            }
        }
        Ok(finished)
    }

    /// Appends to the event log, if there is one: for what a migration does outside of runs. `detail` is JSON, and holds no
    /// values of rows.
    ///
    /// # Errors
    ///
    /// When the server refuses it.
    ///
    /// # Cancel safety
    ///
    /// It is one statement, in whatever transaction `client` is in.
    pub async fn log_event(
        &self,
        client: &Client,
        id: &MigrationId,
        event: &'static str,
        detail: &str,
    ) -> Result<(), Error> {
        let wire = Wire::new(client);
        let failed = |error| Error::database("writing to the event log", error);
        let there = wire.rows(&self.sql.has_events()).await.map_err(failed)?;
        if !there.first().is_some_and(|row| flag(row, "events")) {
            return Ok(());
        }
        let run = RunName { id: random_name(), application: self.application.clone() };
        let event = Event { kind: event, id, code: None, statement: None, detail: Some(detail) };
        wire.rows(&self.sql.event(&event, &run)).await.map(drop).map_err(failed)
    }
}
