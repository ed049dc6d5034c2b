//! Behind a pooler in transaction mode: one connection keeps the lock in a transaction that stays open, another works.

use std::time::Duration;

use tokio_postgres::SimpleQueryRow;

use crate::connect::{Connect, Connection};
use crate::failure::Failure;
use crate::lock::{LOCKING, LockKey, Peek};
use crate::session::Session;
use crate::wait::Wait;
use crate::wire::{Wire, flag, text, value};
use crate::{Error, Migrator};

/// How long a pooler may take to give a second connection.
const SECOND_CONNECTION: Duration = Duration::from_secs(10);

/// The connection whose open transaction has the lock.
///
/// The transaction is READ COMMITTED and runs nothing between its statements, so it holds no snapshot that others would
/// wait for.
pub(crate) struct Keeper {
    connection: Connection,
    /// An expression that raises in a transaction that works when the keeper's is not the one that has the lock.
    guard: String,
}

impl Keeper {
    /// Takes the lock on a connection of its own; nothing when `peek` says that there is nothing left to lock for.
    pub(crate) async fn take(
        migrator: &Migrator,
        connect: &dyn Connect,
        worker: &Wire<'_>,
        peek: &mut Peek<'_>,
        wait: &mut Wait<'_>,
    ) -> Result<Option<Self>, Error> {
        let key = migrator.key;
        let connecting = tokio::time::timeout(SECOND_CONNECTION, connect.connect()).await;
        let connected = connecting.map_err(|_| Error::no_second_connection(SECOND_CONNECTION))?;
        let connection = connected.map_err(|error| match error.is_refusal() {
            true => error,
            // The worker's has come about: this one is as good as lost.
            false => Error::lost("opening the connection that keeps the lock", error.into()),
        })?;
        let connection = connection.without_cancel();
        let wire = Wire::new(&connection);
        let refused = |error| Error::database(LOCKING, error);
        let row = loop {
            let begin = begin(migrator);
            let [begun, tried] = wire.pipelined([&begin, &key.attempt_to_keep()]).await.map_err(refused)?;
            let tried = begun.and(tried).map_err(refused)?;
            if let Some(row) = tried.into_iter().find(|row| flag(row, "locked")) {
                break row;
            }
            // No transaction is open while it waits.
            wire.rows("ROLLBACK").await.map_err(refused)?;
            let peeked = match worker.rows(peek.question()).await {
                Ok(rows) => rows,
                // What can't be asked does not say that there is nothing to do.
                Err(error) if Failure::of(&error).is_some() => Vec::new(),
                Err(error) => return Err(refused(error)),
            };
            if peek.is_done(&peeked) {
                connection.close().await;
                return Ok(None);
            }
            if wait.is_over() {
                return Err(key.not_had(&wire, wait).await);
            }
            wait.look(key, &wire).await;
            wait.pause().await?;
        };
        let guard = guard(key, &row)?;
        let keeper = Self { connection, guard };
        keeper.wait_for_worker(key, worker, wait).await?;
        Ok(Some(keeper))
    }

    pub(crate) fn guard(&self) -> &str {
        &self.guard
    }

    /// Gives the lock back. What was done was guarded, whatever has become of the keeper's transaction.
    pub(crate) async fn release(self) {
        if Wire::new(&self.connection).rows("ROLLBACK").await.is_ok() {
            self.connection.close().await;
        }
    }

    /// Waits until a transaction that an earlier keeper's run has left behind has ended. Those that begin now find that
    /// their keeper has gone.
    async fn wait_for_worker(
        &self,
        key: LockKey,
        worker: &Wire<'_>,
        wait: &mut Wait<'_>,
    ) -> Result<(), Error> {
        let refused = |error| Error::database(LOCKING, error);
        let second = tokio::time::timeout(SECOND_CONNECTION, worker.rows("SELECT")).await;
        second.map_err(|_| Error::no_second_connection(SECOND_CONNECTION))?.map_err(refused)?;
        loop {
            let rows = worker.rows(&key.is_idle()).await.map_err(refused)?;
            if rows.first().is_some_and(|row| flag(row, "idle")) {
                return Ok(());
            }
            if wait.is_over() {
                return Err(key.not_idle(worker, wait).await);
            }
            wait.pause().await?;
        }
    }
}

/// Begins a transaction that no timeout of the role's ends.
fn begin(migrator: &Migrator) -> String {
    let session = Session::new(migrator.pooler, None);
    format!("BEGIN ISOLATION LEVEL READ COMMITTED; {}", session.prepare("NULL"))
}

fn guard(key: LockKey, row: &SimpleQueryRow) -> Result<String, Error> {
    match (value(row, "pid"), text(row, "virtualtransaction")) {
        (Some(pid), Some(transaction)) => Ok(key.guard_of_keeper(pid, transaction)),
        _ => Err(Error::lock_lost()),
    }
}
