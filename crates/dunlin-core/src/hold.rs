//! The lock of a run: how it is taken, and every way of giving it back.

use tokio_postgres::SimpleQueryRow;
use tokio_postgres::error::SqlState;

use crate::history_sql::digest_of;
use crate::keeper::Keeper;
use crate::lock::{LOCKING, LockKey, Peek, Polled, Tried};
use crate::run::{Run, Work};
use crate::session::Session;
use crate::stray::Stray;
use crate::wait::Wait;
use crate::wire::flag;
use crate::{Error, ErrorKind, Pooler, Target};

impl Run<'_> {
    /// Takes the lock; false when another runner has done the work meanwhile.
    pub(crate) async fn lock(&mut self, work: &Work) -> Result<bool, Error> {
        let migrator = self.migrator;
        let to_latest = matches!(work, Work::Migrate(Target::Latest, _));
        let is_current = |rows: &[SimpleQueryRow]| to_latest && digest_of(rows) == Some(&migrator.digest);
        let questions = [migrator.sql.has_digest(), migrator.digest_question().into_owned()];
        let mut peek = Peek::new(questions, &is_current);
        match migrator.pooler {
            Pooler::Session => self.lock_session(&mut peek).await,
            Pooler::Transaction => self.lock_by_keeper(&mut peek).await,
        }
    }

    async fn lock_session(&mut self, peek: &mut Peek<'_>) -> Result<bool, Error> {
        let key = self.migrator.key;
        let rows = self.wire.rows(&key.attempt(&self.name.id)).await.map_err(|error| match error.code() {
            // The look at a history that is not there has ended it.
            Some(&SqlState::IN_FAILED_SQL_TRANSACTION) => Error::open_transaction(),
            _ => Error::database(LOCKING, error),
        })?;
        if rows.first().is_some_and(|row| flag(row, "open")) {
            // Committing or undoing what the caller has begun is the caller's.
            let _ = self.wire.rows(&key.unlock()).await;
            return Err(Error::open_transaction());
        }
        let polled = match Tried::of(&rows)? {
            Tried::Locked { pid } => Polled::Locked { pid },
            Tried::Refused => {
                tracing::info!(history = %self.migrator.history, "waiting for the migration lock");
                let mut wait = Wait::new(self.migrator, self.patience);
                let polled = key.poll(&self.wire, &self.name.id, peek, &mut wait).await;
                self.has_waited(&wait);
                polled?
            }
        };
        if let Polled::Locked { pid } = polled {
            self.backend = pid;
        }
        Ok(polled != Polled::NothingToDo)
    }

    async fn lock_by_keeper(&mut self, peek: &mut Peek<'_>) -> Result<bool, Error> {
        let Some(connect) = self.connect else { return Err(Error::one_client_behind_pooler()) };
        let mut wait = Wait::new(self.migrator, self.patience);
        let taken = Keeper::take(self.migrator, connect, &self.wire, peek, &mut wait).await;
        self.has_waited(&wait);
        let Some(keeper) = taken? else { return Ok(false) };
        self.guard = keeper.guard().to_owned();
        self.keeper = Some(keeper);
        Ok(true)
    }

    fn has_waited(&mut self, wait: &Wait<'_>) {
        let waited = wait.waited();
        self.report.waited = self.report.waited.saturating_add(waited);
        self.patience = self.patience.saturating_sub(waited);
    }

    /// Gives the lock back and the session as it was, where the last migrations have not done so.
    pub(crate) async fn release(&mut self) -> Result<(), Error> {
        if let Some(keeper) = self.keeper.take() {
            keeper.release().await;
            return Ok(());
        }
        let unlocked = match self.released {
            Some(unlocked) => unlocked,
            None => {
                let message = format!("{}; {}", Session::give_back().join("; "), self.migrator.key.unlock());
                let rows = self.wire.rows(&message).await;
                let rows = rows.map_err(|error| Error::database("releasing the migration lock", error))?;
                rows.first().is_some_and(LockKey::is_unlocked)
            }
        };
        if unlocked { Ok(()) } else { Err(self.look_for_pooler(Error::lock_lost()).await) }
    }

    /// Leaves neither a transaction nor the lock behind, whatever state the session is in. The error that led here is
    /// the one that counts.
    pub(crate) async fn abandon(&mut self, error: Error) -> Error {
        if let Some(keeper) = self.keeper.take() {
            let _ = self.wire.rows("ROLLBACK; DEALLOCATE ALL").await;
            let error = match error.kind() {
                // The keeper's transaction has ended, or that of another run has while its worker goes on for a moment.
                ErrorKind::LockLost => Error::lost("the one that keeps the lock", error.into()),
                _ => error,
            };
            keeper.release().await;
            return error;
        }
        let _ = self.wire.rows(&format!("ROLLBACK; {}", Session::give_back().join("; "))).await;
        match error.kind() {
            ErrorKind::LockLost | ErrorKind::Pooler => self.look_for_pooler(error).await,
            _ => {
                let unlocked = self.wire.rows(&self.migrator.key.unlock()).await;
                match unlocked {
                    Ok(rows) if !rows.first().is_some_and(LockKey::is_unlocked) => {
                        self.look_for_pooler(error).await
                    }
                    _ => error,
                }
            }
        }
    }

    /// After the lock was lost: frees it wherever it is, and says so if it is a pooler that has taken it away.
    async fn look_for_pooler(&self, error: Error) -> Error {
        let Some(backend) = self.backend else { return error };
        let stray = self.free_stray_lock(backend).await;
        match (error.kind(), stray) {
            (ErrorKind::LockLost, Stray::Freed) => Error::pooler(APART, None),
            (ErrorKind::LockLost, Stray::Held(backend)) => Error::pooler(APART, Some(backend)),
            // What went wrong before counts.
            (_, Stray::Held(backend)) => {
                tracing::error!(backend, "a pooler's server connection still holds the migration lock");
                error
            }
            _ => error,
        }
    }
}

/// What has become of a run that has met a pooler.
const APART: &str = "the migration lock is on another server connection than the migrations";
