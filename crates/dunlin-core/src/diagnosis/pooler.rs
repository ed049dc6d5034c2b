use std::fmt;
use std::time::Duration;

use futures_util::future::join;
use tokio::time::{sleep, timeout};
use tokio_postgres::{Client, Error as PgError, SimpleQueryRow};

use super::{DiagnosisFinding, Severity, Subject};
use crate::Pooler;
use crate::diagnose_sql;
use crate::failure::Failure;
use crate::jitter::Jitter;
use crate::wire::{Wire, flag, text};

/// How long the probe waits for an answer: a pool may have no server connection to spare.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many times both connections ask, as long as nothing was seen.
const ROUNDS: usize = 6;

/// What stands between the program and the server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum PoolerVerdict {
    /// Nothing was seen that shares server connections out: there is no pooler, or one in session mode.
    NoneSeen,
    /// A pooler that may give each transaction another server connection.
    Transaction,
    /// A pooler that may give each statement another server connection, and refuses transactions.
    Statement,
    /// Why it could not be found out.
    NotKnown(String),
}

impl PoolerVerdict {
    /// What is said of it, where a run was told of `expected` and may have connections that lead to the server itself.
    pub(crate) fn finding(&self, expected: Pooler, has_direct: bool) -> Option<DiagnosisFinding> {
        let found = |severity, what: &str, advice: &str| {
            Some(DiagnosisFinding::new(severity, Subject::Pooler, what, advice))
        };
        match self {
            Self::Transaction | Self::Statement if has_direct => found(
                Severity::Note,
                "a pooler stands in between, and runs that have work go past it (`Migrator::direct`)",
                "nothing, if those connections lead to the server itself: diagnose them, too",
            ),
            Self::Transaction if expected == Pooler::Transaction => found(
                Severity::Note,
                "a pooler in transaction mode stands in between, as runs are told (`Migrator::pooler`)",
                "nothing; migrations outside a transaction need `Migrator::direct`",
            ),
            Self::Transaction => found(
                Severity::Problem,
                "a pooler in transaction mode stands in between: neither the migration lock nor a setting holds there",
                "connect directly to the server (`Migrator::direct`) or to a session-mode pool, or say so with \
                 `Migrator::pooler`",
            ),
            Self::Statement => found(
                Severity::Problem,
                "a pooler in statement mode stands in between: neither the migration lock nor a setting holds there",
                "connect directly to the server (`Migrator::direct`), or to a session-mode pool",
            ),
            Self::NoneSeen | Self::NotKnown(_) => None,
        }
    }
}

impl fmt::Display for PoolerVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoneSeen => f.write_str("none seen"),
            Self::Transaction => f.write_str("one in transaction mode"),
            Self::Statement => f.write_str("one in statement mode"),
            Self::NotKnown(why) => write!(f, "not known: {why}"),
        }
    }
}

/// Asks which server process answers, again and again: without a pooler it is one for each connection, and never the
/// same one for two.
///
/// In an idle pool the second connection gets what the first one has just had, and keeps it in a transaction. In a busy one
/// each gets whatever others give back, at random, so it takes some rounds; at once would not do, since a pooler keeps a
/// server connection as long as it owes it answers. A setting as a canary would tell the same, and stay in a server connection that
/// somebody else has got meanwhile; the process that answers is told by looking.
pub(crate) struct PoolerProbe<'a> {
    first: &'a Wire<'a>,
    by_first: Vec<String>,
    by_second: Vec<String>,
}

impl<'a> PoolerProbe<'a> {
    pub(crate) fn new(first: &'a Wire<'a>) -> Self {
        Self { first, by_first: Vec::new(), by_second: Vec::new() }
    }

    /// Takes in an answer to the first connection.
    pub(crate) fn saw(&mut self, rows: &[SimpleQueryRow]) {
        self.by_first.extend(backend(rows));
    }

    pub(crate) async fn verdict(mut self, second: Option<&Wire<'_>>) -> PoolerVerdict {
        let asked = match second {
            Some(second) => self.ask(second).await,
            None => Err(PoolerVerdict::NotKnown("that takes a second connection".to_owned())),
        };
        match asked {
            Err(PoolerVerdict::Statement) => PoolerVerdict::Statement,
            _ if self.is_shared_out() => PoolerVerdict::Transaction,
            Err(verdict) => verdict,
            Ok(()) if self.by_first.is_empty() || self.by_second.is_empty() => {
                PoolerVerdict::NotKnown("the server does not say which process answers".to_owned())
            }
            Ok(()) => PoolerVerdict::NoneSeen,
        }
    }

    async fn ask(&mut self, second: &Wire<'_>) -> Result<(), PoolerVerdict> {
        let question = diagnose_sql::backend();
        match timeout(PATIENCE, second.rows(&diagnose_sql::begin())).await {
            // Undoing what the caller has begun is the caller's.
            Ok(Ok(rows)) if rows.first().is_some_and(|row| flag(row, "open")) => {
                return Err(PoolerVerdict::NotKnown(
                    "the second connection is inside a transaction".to_owned(),
                ));
            }
            Ok(answer) => self.by_second.extend(told(answer)?),
            Err(_) => {
                // It may begin yet.
                give_up(second.client()).await;
                return Err(late("second"));
            }
        }
        // In a pool of one there is no answer as long as the transaction is open.
        let asked = if self.is_shared_out() { Ok(None) } else { ask(self.first, &question, "first").await };
        ask(second, "ROLLBACK", "second").await?;
        self.by_first.extend(asked?);
        for _ in 0..ROUNDS {
            if self.is_shared_out() {
                break;
            }
            // Others may take turns at a steady pace.
            sleep(Jitter::polling(Duration::ZERO)).await;
            let (first, other) =
                join(ask(self.first, &question, "first"), ask(second, &question, "second")).await;
            self.by_first.extend(first?);
            self.by_second.extend(other?);
        }
        Ok(())
    }

    /// Whether one connection was answered by two processes, or two by one.
    fn is_shared_out(&self) -> bool {
        let changed =
            |seen: &[String]| seen.first().is_some_and(|first| seen.iter().any(|other| other != first));
        changed(&self.by_first)
            || changed(&self.by_second)
            || self.by_first.iter().any(|backend| self.by_second.contains(backend))
    }
}

/// The process that answers a question, if the answer says.
async fn ask(wire: &Wire<'_>, question: &str, which: &str) -> Result<Option<String>, PoolerVerdict> {
    match timeout(PATIENCE, wire.rows(question)).await {
        Ok(answer) => told(answer),
        Err(_) => Err(late(which)),
    }
}

fn told(answer: Result<Vec<SimpleQueryRow>, PgError>) -> Result<Option<String>, PoolerVerdict> {
    answer.map(|rows| backend(&rows)).map_err(|error| refused(&error))
}

fn backend(rows: &[SimpleQueryRow]) -> Option<String> {
    rows.first().and_then(|row| text(row, "backend")).map(str::to_owned)
}

fn refused(error: &PgError) -> PoolerVerdict {
    // PgBouncer says so, and closes the connection.
    if error.as_db_error().is_some_and(|error| error.message().contains("statement pooling mode")) {
        return PoolerVerdict::Statement;
    }
    PoolerVerdict::NotKnown(match Failure::of(error) {
        Some(failure) => failure.to_string(),
        None => "a connection was lost".to_owned(),
    })
}

fn late(which: &str) -> PoolerVerdict {
    PoolerVerdict::NotKnown(format!("the {which} connection got no answer within {} s", PATIENCE.as_secs()))
}

/// Sends a ROLLBACK without waiting for its answer.
async fn give_up(client: &Client) {
    let _ = client.simple_query_raw("ROLLBACK").await;
}
