//! What has to be true before a run begins: looked at as a whole, under the lock.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::join_all;
use tokio_postgres::SimpleQueryRow;

use crate::diagnose_sql;
use crate::failure::{Failure, server_errors};
use crate::ident::literal;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::run::Run;
use crate::session::Session;
use crate::wire::Wire;
use crate::{BoxError, Connect, Connection, Error, Migrator, RunContext, Unmet};

/// What a [`Requirement`](crate::Requirement) is looked at with.
pub struct Preflight<'a> {
    run: RunContext<'a>,
    wire: &'a Wire<'a>,
    /// How many questions are on their way: those that are share a flight.
    asking: AtomicU32,
}

impl<'a> Preflight<'a> {
    /// What the run is about to do.
    #[must_use]
    pub fn plan(&self) -> &'a Plan {
        self.run.plan
    }

    /// The migrator that runs.
    #[must_use]
    pub fn migrator(&self) -> &'a Migrator {
        self.run.migrator
    }

    /// As [`RunContext::resource`].
    #[must_use]
    pub fn resource<T: Send + Sync + 'static>(&self) -> Option<&'a T> {
        self.run.resource()
    }

    /// As [`RunContext::connector`].
    #[must_use]
    pub fn connector(&self) -> Option<&'a dyn Connect> {
        self.run.connect
    }

    /// As [`RunContext::connect`].
    ///
    /// # Errors
    ///
    /// As [`RunContext::connect`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub async fn connect(&self) -> Result<Connection, Error> {
        self.run.connect().await
    }

    /// Asks the server, on the run's own connection: with the [role](Migrator::role) and the
    /// [`search_path`](Migrator::search_path) of migrations, in a transaction of its own that is read-only and waits no longer than
    /// a second for a lock. It works behind a pooler, too.
    ///
    /// Returns the rows of all statements of `sql`, with values as text. What is asked at the same time travels in one flight.
    ///
    /// ```
    /// # async fn f(cx: &dunlin_core::Preflight<'_>) -> Result<(), dunlin_core::BoxError> {
    /// let rows = cx.query("SELECT count(*) FROM orders WHERE total IS NULL").await?;
    /// let left = rows.first().and_then(|row| row.get(0)).unwrap_or("0");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the server refuses it. A check may return that with `?`: the requirement is not met then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind.
    pub async fn query(&self, sql: &str) -> Result<Vec<SimpleQueryRow>, Error> {
        let path = match &self.migrator().search_path {
            Some(path) => {
                format!("SELECT pg_catalog.set_config('search_path', {}, true)", literal(path))
            }
            None => "SET LOCAL search_path TO DEFAULT".to_owned(),
        };
        let rows = self.ask(&format!("{path}; {sql}")).await?;
        // The path is set by a statement that returns a row.
        Ok(rows.into_iter().skip(usize::from(self.migrator().search_path.is_some())).collect())
    }

    /// Asks as the library's own: under its path, where nothing is found that somebody has put there.
    pub(crate) async fn ask(&self, question: &str) -> Result<Vec<SimpleQueryRow>, Error> {
        let question = diagnose_sql::ask(&format!("SET LOCAL transaction_read_only = on; {question}"));
        let message = Session::asked_by(self.migrator().role.as_ref(), &question);
        if self.asking.fetch_add(1, Ordering::Relaxed) == 0 {
            self.wire.count_flight();
        }
        let rows = self.wire.uncounted_rows(&message).await;
        self.asking.fetch_sub(1, Ordering::Relaxed);
        rows.map_err(|error| Error::database(ASKING, error))
    }

    /// The first row of an answer that has one.
    pub(crate) async fn row(&self, question: &str) -> Result<SimpleQueryRow, BoxError> {
        let rows = self.ask(question).await?;
        rows.into_iter().next().ok_or_else(|| "the server has given no answer".into())
    }
}

impl fmt::Debug for Preflight<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Preflight").field("run", &self.run).finish_non_exhaustive()
    }
}

impl Run<'_> {
    /// Looks at everything that the run requires, all at once. Once, whatever becomes of the connection afterwards.
    pub(crate) async fn preflight(&mut self, plan: &Plan) -> Result<(), Error> {
        let requirements = &self.migrator.hooks.requirements;
        if requirements.is_empty() || self.around.is_checked {
            return Ok(());
        }
        self.migrator.observer.notify(Progress::Checking { requirements: requirements.len() });
        let run =
            RunContext { plan, migrator: self.migrator, connect: self.connector(), run_id: &self.name.id };
        let preflight = Preflight { run, wire: &self.wire, asking: AtomicU32::new(0) };
        let checks = requirements.iter().map(|requirement| requirement.check(&preflight));
        let outcomes = join_all(checks).await;
        let mut unmet = Vec::new();
        for (requirement, outcome) in requirements.iter().zip(outcomes) {
            let Err(error) = outcome else { continue };
            if self.wire.client().check_connection().await.is_err() {
                return Err(Error::lost(ASKING, error));
            }
            unmet.push(reason(error).of(requirement.name()));
        }
        if unmet.is_empty() {
            self.around.is_checked = true;
            return Ok(());
        }
        let error = Error::requirement(unmet, requirements.len());
        tracing::error!(%error, "requirements are not met");
        Err(error)
    }
}

/// What the questions of requirements are called in errors.
const ASKING: &str = "a requirement's question";

/// What an error of a check says.
fn reason(error: BoxError) -> Unmet {
    let error = match error.downcast::<Unmet>() {
        Ok(unmet) => return *unmet,
        Err(error) => error,
    };
    // A server's error is told without its DETAIL, as everywhere.
    match server_errors(Some(&*error)).find_map(Failure::of) {
        Some(failure) => Unmet::new(format!("it could not be asked: {failure}")),
        None => Unmet::new(error.to_string()),
    }
}
