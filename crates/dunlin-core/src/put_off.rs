//! Work of migrations that goes on after the run.

use tokio_postgres::Client;

use crate::history::{Record, RecordState};
use crate::history_sql::{Event, RunName};
use crate::jitter::random_name;
use crate::run::is_undefined;
use crate::session::Session;
use crate::wire::{Wire, flag};
use crate::{BackfillProgress, BoxError, Connect, Context, Error, LogEntry, MigrationId, Migrator, Stopped};

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
    /// [`ErrorKind::Migration`](crate::ErrorKind::Migration) when a backfill fails: those after it are not begun.
    /// [`ErrorKind::Stopped`](crate::ErrorKind::Stopped) when it was asked to [stop](Self::stop_on). And when the server can't be
    /// reached, or the history not be read.
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
            let failed = |error: BoxError| match Stopped::is_in(&*error) {
                true => Error::stopped(Some(id.clone())),
                false => Error::backfill_failed(id.clone(), error),
            };
            self.stop.check().map_err(|error| failed(error.into()))?;
            if !migration.is_backfilled(&cx).await.map_err(failed)? {
                migration.backfill(&cx).await.map_err(failed)?;
                finished.push(id.clone());
            }
        }
        Ok(finished)
    }

    /// Says how far the backfills of applied migrations are, in their order: here or wherever else somebody works on them. It writes
    /// nothing. One that does not say so is not among them.
    ///
    /// # Errors
    ///
    /// When the server can't be reached, or the history not be read.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection and leaves nothing behind.
    pub async fn backfills(
        &self,
        connect: &dyn Connect,
    ) -> Result<Vec<(MigrationId, BackfillProgress)>, Error> {
        let mut known = Vec::new();
        if !self.set.iter().any(|migration| migration.is_backfill()) {
            return Ok(known);
        }
        let connect = self.direct.as_deref().unwrap_or(connect);
        let connection = self.open(connect).await?;
        let records = self.records(&Wire::new(&connection)).await?.unwrap_or_default();
        for record in &records {
            let Some(member) = self.set.find(record.version()) else { continue };
            let cx = Context::new(&connection, member.id(), self, Some(connect));
            if !member.migration.is_backfill() {
                continue;
            }
            match member.migration.backfill_progress(&cx).await {
                Ok(Some(progress)) => known.push((member.id().clone(), progress)),
                Ok(None) => {}
                Err(error) => return Err(Error::backfill_failed(member.id().clone(), error)),
            }
        }
        connection.close().await;
        Ok(known)
    }

    /// Reads the newest entries of the event log, oldest first; none where there is no event log. It needs SELECT on that table.
    ///
    /// # Errors
    ///
    /// When it can't be read.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind.
    pub async fn events(&self, client: &Client, most: u32) -> Result<Vec<LogEntry>, Error> {
        let asked = Session::aside(self.role.as_ref(), &self.sql.newest_events(most));
        match Wire::new(client).rows(&asked).await {
            Ok(rows) => Ok(rows.iter().rev().filter_map(LogEntry::of).collect()),
            Err(error) if is_undefined(&error) => Ok(Vec::new()),
            Err(error) => Err(Error::database("reading the event log", error)),
        }
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
