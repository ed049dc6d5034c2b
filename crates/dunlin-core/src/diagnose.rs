use std::future::Future;
use std::pin::Pin;

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::connect::Connect;
use crate::diagnosis::{
    Answer, Expected, Facts, HistoryFacts, InvalidIndex, LockHolder, OpenTransactions, PathSchema,
    PendingDetach, PoolerProbe, PreparedTransaction, RoleFacts, ServerFacts, ServerSetting, Standing,
    Subscription,
};
use crate::lock::Holder;
use crate::session::Session;
use crate::undo::Undo;
use crate::wire::{Wire, flag, text, value};
use crate::{Diagnosis, Error, Migrator, Status, diagnose_sql as sql};

impl Migrator {
    /// Looks at everything around a run that can be wrong: a pooler in between, what the [`role`](Self::role) may do,
    /// settings, the holder of the migration lock, prepared transactions, invalid indexes, half detached partitions, the
    /// history and where it is replicated, schemas that everybody may create in, transactions that are open for long.
    ///
    /// It writes nothing, leaves no setting and no transaction behind, and works on a standby, behind a pooler and with a
    /// role that may next to nothing: what can't be asked is an [`Answer::NotKnown`]. It takes three flights.
    ///
    /// It opens two connections: with one alone it is seldom known whether a pooler stands in between. Finding none takes
    /// fifteen flights more, finding one fewer.
    ///
    /// ```no_run
    /// # async fn f(migrator: dunlin_core::Migrator, config: tokio_postgres::Config) -> Result<(), dunlin_core::Error> {
    /// use dunlin_core::Direct;
    /// use tokio_postgres::NoTls;
    ///
    /// let diagnosis = migrator.diagnose(&Direct::new(config, NoTls)).await?;
    /// println!("{diagnosis}");
    /// for finding in diagnosis.findings() {
    ///     println!("{:?}: {finding}", finding.subject());
    /// }
    /// if !diagnosis.is_healthy() {
    ///     std::process::exit(1);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When no connection can be had, or it is lost. What is wrong with the database is a finding, not an error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connections and leaves nothing behind.
    pub async fn diagnose(&self, connect: &dyn Connect) -> Result<Diagnosis, Error> {
        let first = connect.connect().await?;
        let second = connect.connect().await.ok();
        let diagnosis = self.diagnose_on(&first, second.as_deref()).await;
        for connection in [Some(first), second].into_iter().flatten() {
            connection.close().await;
        }
        diagnosis
    }

    /// [`diagnose`](Self::diagnose) on the caller's own connections, of which `second` was made in the same way as
    /// `client`. None of them may be inside a transaction: a `second` that is tells nothing. Without a `second` it is not
    /// known whether a pooler stands in between, unless the one connection shows it.
    ///
    /// # Errors
    ///
    /// When the connection is lost, or `client` is inside a transaction.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing in `client`, and ends a transaction that was begun in `second`.
    pub async fn diagnose_on(&self, client: &Client, second: Option<&Client>) -> Result<Diagnosis, Error> {
        let undo = second.map(|second| Undo::on_drop(second, "ROLLBACK".to_owned()));
        let diagnosis = self.diagnosing(Wire::new(client), second.map(Wire::new)).await;
        if let Some(undo) = undo {
            undo.disarm();
        }
        diagnosis
    }

    /// Boxed in a function that is not async, so that programs that call it need not compile it.
    fn diagnosing<'a>(&'a self, first: Wire<'a>, second: Option<Wire<'a>>) -> Diagnosing<'a> {
        Box::pin(self.ask_everything(first, second))
    }

    async fn ask_everything(&self, first: Wire<'_>, second: Option<Wire<'_>>) -> Result<Diagnosis, Error> {
        let mut probe = PoolerProbe::new(&first);
        let opening = first.rows(&sql::opening()).await.map_err(|error| match error.code() {
            Some(&SqlState::IN_FAILED_SQL_TRANSACTION) => Error::open_transaction(),
            _ => lost(error),
        })?;
        if opening.first().is_some_and(|row| flag(row, "open")) {
            return Err(Error::open_transaction());
        }
        probe.saw(&opening);
        let facts = self.look_around(&first, second.as_ref(), probe).await?;
        let flights = first.flights().saturating_add(second.as_ref().map_or(0, Wire::flights));
        let expected = Expected {
            history: &self.history,
            deadline: self.deadline,
            role: self.role.as_ref(),
            pooler: self.pooler,
            has_direct: self.direct.is_some(),
        };
        Ok(Diagnosis::new(facts, &expected, flights))
    }

    /// Asks everything that one connection can tell. Two flights: whether the history may be read is known after the
    /// first, and asking all the same would fill the server's log with errors.
    async fn look_around(
        &self,
        wire: &Wire<'_>,
        second: Option<&Wire<'_>>,
        mut probe: PoolerProbe<'_>,
    ) -> Result<Facts, Error> {
        let history = &self.history;
        // What a run does as its role is asked as that role.
        let by_role = |question: String| Session::asked_by(self.role.as_ref(), &question);
        let questions = [
            sql::server(),
            by_role(sql::role(history)),
            by_role(sql::path(self.search_path.as_deref())),
            sql::settings(),
            by_role(sql::ask(&self.sql.facts())),
            self.key.holder(),
            sql::prepared(self.key),
            sql::indexes(),
            sql::sizes(),
            sql::detaches(),
            sql::publications(history),
            sql::subscriptions(history),
            sql::transactions(),
            sql::backend(),
        ];
        let answers = wire.pipelined(questions.each_ref().map(String::as_str)).await.map_err(lost)?;
        let [
            server,
            role,
            path,
            settings,
            catalog,
            holder,
            prepared,
            indexes,
            sizes,
            detaches,
            publications,
            subscriptions,
            transactions,
            backend,
        ] = answers;
        probe.saw(&backend.map_err(lost)?);

        let role = Answer::read(role, |rows| rows.first().and_then(RoleFacts::of))?;
        let catalog = Answer::read(catalog, |rows| rows.into_iter().next())?;
        let history = HistoryFacts::new(self, &catalog, self.standing(wire, &role).await?);
        let prepared = Answer::list(prepared, PreparedTransaction::of)?;
        let sizes = Answer::list(sizes, |row| Some((text(row, "index")?.to_owned(), value(row, "size")?)))?;
        let indexes =
            Answer::list(indexes, |row| InvalidIndex::of(row).map(|index| index.measured(sizes.listed())))?;
        Ok(Facts {
            server: Answer::read(server, |rows| rows.first().and_then(ServerFacts::of))?,
            role,
            search_path: Answer::read(path, |rows| {
                let schemas = rows.iter().filter(|row| text(row, "everybody").is_some());
                schemas.map(PathSchema::of).collect()
            })?,
            settings: Answer::list(settings, ServerSetting::of)?,
            history,
            lock: Answer::read(holder, |rows| {
                Some(rows.first().map(|row| LockHolder::new(Holder::of(row), prepared.listed())))
            })?,
            prepared,
            indexes,
            detaches: Answer::list(detaches, PendingDetach::of)?,
            publications: Answer::list(publications, |row| text(row, "name").map(str::to_owned))?,
            subscriptions: Answer::list(subscriptions, Subscription::of)?,
            transactions: Answer::read(transactions, OpenTransactions::of)?,
            // Last: it may lose a connection.
            pooler: probe.verdict(second).await,
        })
    }

    /// How the database stands, where the role may know. An error of the history's own is what a run would refuse it for.
    async fn standing(
        &self,
        wire: &Wire<'_>,
        role: &Answer<RoleFacts>,
    ) -> Result<Result<Answer<Standing>, Error>, Error> {
        let standing = |records| Standing::of(Status::new(&self.set, records, &self.rules.policies));
        match role {
            Answer::Known(role) if role.history_owner().is_none() => {
                return Ok(Ok(Answer::Known(standing(Vec::new()))));
            }
            Answer::Known(role) if !role.may_read_history() => {
                return Ok(Ok(Answer::NotKnown("the role may not read it".to_owned())));
            }
            _ => {}
        }
        let rows = wire.rows(&Session::asked_by(self.role.as_ref(), &sql::ask(&self.sql.all()))).await;
        Ok(match Answer::read(rows, |rows| Some(self.sql.records(&rows)))? {
            Answer::Known(records) => records.map(|records| Answer::Known(standing(records))),
            Answer::NotKnown(why) => Ok(Answer::NotKnown(why)),
        })
    }
}

/// A diagnosis under way.
type Diagnosing<'a> = Pin<Box<dyn Future<Output = Result<Diagnosis, Error>> + Send + 'a>>;

fn lost(error: tokio_postgres::Error) -> Error {
    Error::database("the diagnosis", error)
}
