//! Statements that work while others read and write. Interrupted, they leave something half done: each has its recovery.

use std::time::Duration;

use dunlin_script::{Concurrent, CreateIndex, ReindexTarget};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Error as PgError, SimpleQueryRow};

use crate::Error;
use crate::concurrent_sql::{self as sql, Found};
use crate::failure::Failure;
use crate::run::Run;
use crate::session::Session;
use crate::stumble::Stumble;
use crate::turn::{Halt, Turn};
use crate::watch::Watch;
use crate::wire::{flag, text};

/// How long cleaning up after a failure may take at most, before the error is told.
const CLEAN_UP: Duration = Duration::from_secs(30);

/// What a commit may take.
const A_MOMENT: Duration = Duration::from_millis(5);

impl Run<'_> {
    /// Runs a concurrent statement, from wherever an earlier try has left it.
    pub(crate) async fn concurrent(&self, turn: &Turn<'_>, concurrent: &Concurrent) -> Result<(), Halt> {
        let refused = |error| self.statement_failed(turn, error, 0);
        let timeouts = format!("{}; {}", sql::TIMEOUTS, Self::unhurried(turn));
        let set_back = sql::set_back(&self.wire.rows(&timeouts).await.map_err(refused)?);
        if !self.recover_from_earlier(turn, concurrent, &set_back).await?
            && let Err(error) = self.build(turn).await
        {
            let remains = match Failure::of(&error) {
                Some(_) => self.clean_up(turn, concurrent).await,
                None => None,
            };
            return Err(Halt { remains, ..Halt::from(refused(error)) });
        }
        // A server that reports success has built a valid index. Asking travels with what is sent anyway.
        let built = Self::look_up(concurrent).filter(|_| matches!(concurrent, Concurrent::CreateIndex(_)));
        let rows = self.wire.rows(&[set_back].into_iter().chain(built).collect::<Vec<_>>().join("; ")).await;
        match rows.map_err(refused)?.first().and_then(Found::of) {
            Some(found) if !found.valid => {
                let what = format!("PostgreSQL has built the index {}, but it is not valid", found.name);
                let error = Error::verify(turn.task.id().clone(), turn.location(1), what, None);
                let remains = self.clean_up(turn, concurrent).await;
                Err(Halt { remains, ..Halt::from(Stumble::Fatal(error)) })
            }
            _ => Ok(()),
        }
    }

    /// Runs the statement, and tells how far it is.
    async fn build(&self, turn: &Turn<'_>) -> Result<(), PgError> {
        let work = self.wire.rows(turn.sql());
        let migrator = self.migrator;
        match Watch::of(migrator, self.connect, self.session.is_pooled())
            .filter(|_| migrator.observer.is_there())
        {
            Some(watch) => watch.build(work, turn.task.id(), migrator).await,
            None => work.await,
        }
        .map(drop)
    }

    /// Sets the timeouts that such a statement runs with. It waits for every transaction that is older, however long that
    /// takes, and blocks nobody meanwhile; interrupted, it has to begin anew. Only the file bounds how long it runs.
    fn unhurried(turn: &Turn<'_>) -> String {
        match turn.statement_timeout() {
            None if turn.is_set("statement_timeout") => "SET lock_timeout = 0".to_owned(),
            timeout => Session::set_timeouts(Duration::ZERO, timeout.unwrap_or_default()),
        }
    }

    /// Clears away or finishes what an earlier try has left, this program's or anybody's. True when nothing is left to do.
    async fn recover_from_earlier(
        &self,
        turn: &Turn<'_>,
        concurrent: &Concurrent,
        set_back: &str,
    ) -> Result<bool, Halt> {
        let refused = |error| self.statement_failed(turn, error, 0);
        match concurrent {
            Concurrent::CreateIndex(create) => match self.settled(concurrent).await.map_err(refused)? {
                Some(found) if !found.valid => {
                    tracing::warn!(
                        index = found.name,
                        "dropping an invalid index that an earlier try has left"
                    );
                    self.wire.rows(&sql::drop_index(&found.name)).await.map_err(refused)?;
                    Ok(false)
                }
                Some(found) if turn.uncertain => {
                    Ok(self.is_built(turn, create, &found).await.map_err(refused)?)
                }
                _ => Ok(false),
            },
            // Dropping goes on where it was interrupted, in the middle or after the end.
            Concurrent::DropIndex(name) if turn.uncertain => {
                match self.find(concurrent).await.map_err(refused)? {
                    Some(found) if found.valid && name.schema().is_none() && !found.first => {
                        Err(Self::may_be_another(turn, &found))
                    }
                    found => Ok(found.is_none()),
                }
            }
            Concurrent::Reindex(target) => {
                if let Some((_, error)) = self.drop_leftovers(target).await.map_err(refused)?.pop() {
                    return Err(refused(error).into());
                }
                Ok(false)
            }
            Concurrent::DetachPartition { parent, partition, .. } => {
                let state = self.wire.rows(&sql::partition(parent, partition)).await.map_err(refused)?;
                if is(&state, "pending") {
                    tracing::warn!(%partition, "finishing a detach that an earlier try has begun");
                    // This waits with the partition locked against everybody: in small steps, as any migration does.
                    let finalize = format!("{set_back}; {}", sql::finalize(parent, partition));
                    self.wire.rows(&finalize).await.map_err(refused)?;
                    return Ok(true);
                }
                Ok(turn.uncertain && is(&state, "there") && !is(&state, "attached"))
            }
            _ => Ok(false),
        }
    }

    /// An interrupted run may have dropped an index of an earlier schema of the path, and the name means another one now.
    fn may_be_another(turn: &Turn<'_>, found: &Found) -> Halt {
        let what = format!(
            "an interrupted run may have dropped the index already, and the name without a schema means {} now: write the \
             name with its schema",
            found.name
        );
        let (id, direction) = (turn.task.id().clone(), turn.task.direction());
        let error = Error::migration_failed(id, direction, turn.location(1), Failure::said(what));
        Halt { is_in_doubt: true, ..Halt::from(Stumble::Fatal(error)) }
    }

    /// Clears away at once what a statement that has failed leaves, which may be in the way of writers, and says what it
    /// could not.
    async fn clean_up(&self, turn: &Turn<'_>, concurrent: &Concurrent) -> Option<String> {
        let limit = turn.statement_timeout().filter(|timeout| !timeout.is_zero()).unwrap_or(CLEAN_UP);
        self.wire.rows(&Session::set_timeouts(Duration::ZERO, limit.min(CLEAN_UP))).await.ok()?;
        match concurrent {
            Concurrent::CreateIndex(_) => {
                // An index that somebody else builds under this name is no less theirs now than it was before.
                let found = match self.settled(concurrent).await {
                    Ok(found) => found?,
                    Err(_) => {
                        let found = self.find(concurrent).await.ok()??;
                        return (!found.valid).then(|| stays(&found.name));
                    }
                };
                if found.valid {
                    return Some(format!(
                        "the table has an index {} already, `{}`: drop it if it is in the way, or choose another name",
                        found.name, found.definition
                    ));
                }
                let dropped = self.wire.rows(&sql::drop_index(&found.name)).await;
                dropped.is_err().then(|| stays(&found.name))
            }
            Concurrent::DropIndex(_) => {
                let found = self.find(concurrent).await.ok()??;
                (!found.valid).then(|| stays(&found.name))
            }
            Concurrent::Reindex(target) => {
                let left = self.drop_leftovers(target).await.ok()?;
                let left: Vec<_> = left.into_iter().map(|(index, _)| index).collect();
                (!left.is_empty()).then(|| stays(&left.join(", ")))
            }
            // Finishing it now would wait for what it has waited for in vain, and lock the partition meanwhile.
            Concurrent::DetachPartition { parent, partition, .. } => {
                let state = self.wire.rows(&sql::partition(parent, partition)).await.ok()?;
                is(&state, "pending").then(|| {
                    format!("the partition {partition} is half detached, out of sight of new queries: the next run finishes it")
                })
            }
            _ => None,
        }
    }

    /// How to look up the one index that a statement names.
    fn look_up(concurrent: &Concurrent) -> Option<String> {
        match concurrent {
            Concurrent::CreateIndex(create) => sql::index_of(create),
            Concurrent::DropIndex(name) => Some(sql::index_named(name)),
            _ => None,
        }
    }

    async fn find(&self, concurrent: &Concurrent) -> Result<Option<Found>, PgError> {
        match Self::look_up(concurrent) {
            Some(look_up) => self.found(&look_up).await,
            None => Ok(None),
        }
    }

    /// The same, where an index that is invalid is one that nobody is building.
    async fn settled(&self, concurrent: &Concurrent) -> Result<Option<Found>, PgError> {
        match Self::look_up(concurrent) {
            Some(look_up) => self.undisturbed(&look_up).await,
            None => Ok(None),
        }
    }

    async fn found(&self, look_up: &str) -> Result<Option<Found>, PgError> {
        Ok(self.wire.rows(look_up).await?.first().and_then(Found::of))
    }

    async fn undisturbed(&self, look_up: &str) -> Result<Option<Found>, PgError> {
        let found = match self.found(look_up).await? {
            Some(found) if !found.valid => found,
            found => return Ok(found),
        };
        let mut settled = match self.wire.rows(&sql::undisturbed(&found, look_up)).await {
            Ok(rows) => !rows.first().is_some_and(|row| flag(row, "changing")),
            Err(error) => {
                self.wire.rows("ROLLBACK").await?;
                // A materialized view can't be locked, nor a table that its owner may not write to.
                let can_not = [SqlState::WRONG_OBJECT_TYPE, SqlState::INSUFFICIENT_PRIVILEGE];
                return if error.code().is_some_and(|code| can_not.contains(code)) {
                    Ok(Some(found))
                } else {
                    Err(error)
                };
            }
        };
        loop {
            // What has committed since the last look shows in the next.
            match self.found(look_up).await? {
                Some(found) if !found.valid && !settled => {
                    tokio::time::sleep(A_MOMENT).await;
                    settled = !found.changing;
                }
                found => return Ok(found),
            }
        }
    }

    /// Whether a valid index is what a `CREATE INDEX` builds: the server is asked to define both, one of them on an empty
    /// table of the same columns.
    async fn is_built(&self, turn: &Turn<'_>, create: &CreateIndex, found: &Found) -> Result<bool, PgError> {
        let Some(index) = create.index() else { return Ok(false) };
        if let Err(error) = self.wire.rows(&sql::create_twin(create)).await {
            self.wire.rows("ROLLBACK").await?;
            return match error.code() {
                Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                    tracing::warn!(
                        index = found.name,
                        "no temporary table to compare with: taking the index for the one to build by its name"
                    );
                    Ok(found.unique == create.is_unique())
                }
                _ => Err(error),
            };
        }
        let twin = turn.journal.on_table(create, &sql::twin(create.table()), turn.statement);
        let compared = self.wire.rows(&format!("{twin}\n; {}", sql::same_definition(found, index))).await;
        self.wire.rows("ROLLBACK").await?;
        // What can't be built there is not what stands here: running it as it is will say why.
        Ok(compared.is_ok_and(|rows| is(&rows, "same")))
    }

    /// Drops what interrupted rebuilds have left; returns what could not be dropped, and why.
    async fn drop_leftovers(&self, target: &ReindexTarget) -> Result<Vec<(String, PgError)>, PgError> {
        let mut left = Vec::new();
        for index in self.wire.rows(&sql::leftovers(target)).await?.iter().filter_map(|row| text(row, "name"))
        {
            // Somebody may be building an index that is called as a leftover is.
            let dropped = match self.undisturbed(&sql::index_called(index)).await {
                Ok(Some(found)) if !found.valid => self.wire.rows(&sql::drop_index(index)).await,
                Ok(_) => continue,
                Err(error) => Err(error),
            };
            match dropped {
                Ok(_) => tracing::warn!(index, "dropped an invalid index that a REINDEX has left"),
                // On TOAST tables it takes a superuser.
                Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                    tracing::warn!(
                        index,
                        "an invalid index that a REINDEX has left is not this role's to drop"
                    );
                }
                Err(error) => left.push((index.to_owned(), error)),
            }
        }
        Ok(left)
    }
}

fn is(rows: &[SimpleQueryRow], column: &str) -> bool {
    rows.first().is_some_and(|row| flag(row, column))
}

fn stays(index: &str) -> String {
    format!("the invalid index {index} stays: the next run drops it")
}
