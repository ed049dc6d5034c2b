//! The boot path: look, lock, read, plan, apply, release.

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::{Error as PgError, SimpleQueryRow};
use tracing::Instrument as _;

use crate::around::{self, Around};
use crate::connect::Connect;
use crate::history::Record;
use crate::history_sql::{Facts, RunName, done_of};
use crate::jitter::random_name;
use crate::keeper::Keeper;
use crate::ledger::Ledger;
use crate::look::Look;
use crate::planner;
use crate::progress::Progress;
use crate::session::{Local, Session};
use crate::spans::Spans;
use crate::wire::Wire;
use crate::{Error, Migrator, Report, State, Target, TransactionMode};

/// How long the library's own statements wait for a lock on the history.
const OWN_LOCK_TIMEOUT: Duration = Duration::from_secs(10);

/// What a run takes along when it goes on with another connection.
#[derive(Debug)]
pub(crate) struct Trip {
    pub(crate) name: RunName,
    pub(crate) report: Report,
    /// How long it may still wait for others.
    pub(crate) patience: Duration,
    /// Whether a connection was had before: what has worked is not misspelt.
    pub(crate) has_connected: bool,
    /// Whether an earlier connection was lost while migrations ran: what it had begun may be committed without its having
    /// heard of it.
    pub(crate) is_resumed: bool,
    /// Whether a migration was under way when it ended.
    pub(crate) was_applying: bool,
    /// What its hooks have been told.
    pub(crate) around: Around,
}

impl Trip {
    pub(crate) fn new(migrator: &Migrator) -> Self {
        Self {
            name: RunName { id: random_name(), application: migrator.application.clone() },
            report: Report::new(),
            patience: migrator.deadline,
            has_connected: false,
            is_resumed: false,
            was_applying: false,
            around: Around::default(),
        }
    }

    /// The error that the run ends with, which hooks hear of that have not yet.
    pub(crate) async fn fail(
        &mut self,
        migrator: &Migrator,
        connect: Option<&dyn Connect>,
        error: Error,
    ) -> Error {
        let error = error.after(std::mem::replace(&mut self.report, Report::new()));
        self.around.fail(migrator, connect, &self.name, &error).await;
        error
    }
}

/// One run of a migrator on one connection.
pub(crate) struct Run<'a> {
    pub(crate) migrator: &'a Migrator,
    pub(crate) wire: Wire<'a>,
    pub(crate) session: Session,
    pub(crate) ledger: Ledger,
    pub(crate) report: Report,
    /// How long it may still wait for others.
    pub(crate) patience: Duration,
    is_resumed: bool,
    is_applying: bool,
    /// Where other connections come from, if they can be had.
    pub(crate) connect: Option<&'a dyn Connect>,
    /// An expression that raises unless the lock is held; it begins each transaction.
    pub(crate) guard: String,
    pub(crate) keeper: Option<Keeper>,
    /// The backend that has taken the lock.
    pub(crate) backend: Option<i32>,
    /// Whether the lock was still held when the last migrations gave it back, if they did.
    pub(crate) released: Option<bool>,
    /// The migrations whose gates were passed.
    pub(crate) passed: HashSet<i64>,
    /// The statements that create what is missing of the history; they travel with the first migrations.
    pub(crate) missing: Vec<String>,
    pub(crate) name: RunName,
    pub(crate) spans: Spans,
    pub(crate) around: Around,
}

/// What has to be done while the lock is held.
pub(crate) enum Work {
    /// What a look at the digest has told, where there was one.
    Migrate(Target, Option<Look>),
    Stamp(Target),
}

impl<'a> Run<'a> {
    fn new(migrator: &'a Migrator, wire: Wire<'a>, connect: Option<&'a dyn Connect>, trip: Trip) -> Self {
        let Trip { name, report, patience, is_resumed, around, .. } = trip;
        Self {
            migrator,
            wire,
            connect,
            guard: migrator.key.guard(&name.id),
            keeper: None,
            backend: None,
            session: Session::new(migrator.pooler, migrator.role.as_ref()),
            ledger: Ledger::default(),
            report,
            patience,
            is_resumed,
            is_applying: false,
            passed: HashSet::new(),
            missing: Vec::new(),
            released: None,
            name,
            spans: Spans::default(),
            around,
        }
    }

    /// Runs on a connection.
    ///
    /// The future is boxed here, in a function that is not async: the compiler generates the code of a future where it
    /// is polled, and that would be every program that calls this, each time it is built.
    pub(crate) fn on(
        wire: Wire<'a>,
        connect: Option<&'a dyn Connect>,
        migrator: &'a Migrator,
        work: Work,
        trip: Trip,
    ) -> Running<'a> {
        Box::pin(Self::new(migrator, wire, connect, trip).run(work))
    }

    async fn run(mut self, work: Work) -> (Trip, Result<(), Error>) {
        let outcome = self.boot(work).await;
        self.report.flights = self.report.flights.saturating_add(self.wire.flights());
        self.report.took = self.report.took.saturating_add(self.wire.took());
        let Self { name, report, patience, is_resumed, is_applying: was_applying, around, .. } = self;
        (Trip { name, report, patience, has_connected: true, is_resumed, was_applying, around }, outcome)
    }

    async fn boot(&mut self, work: Work) -> Result<(), Error> {
        if let Work::Migrate(target, looked) = work
            && let Some(state) = self.nothing_to_do(target, looked).await?
        {
            self.report.state = state;
            return self.end().await;
        }
        if !self.lock(&work).instrument(tracing::info_span!("dunlin.lock")).await? {
            self.report.state = State::Current;
            self.settle().await?;
            self.report.already = self.already(self.migrator.set.len());
            return self.end().await;
        }
        match self.under_lock(work).await {
            Ok(()) => self.release().await,
            Err(error) => {
                let error = self.tell_hooks(error).await;
                Err(self.abandon(error).await)
            }
        }
    }

    /// Looks whether there is anything to do, without a lock.
    async fn nothing_to_do(&mut self, target: Target, looked: Option<Look>) -> Result<Option<State>, Error> {
        let migrator = self.migrator;
        match looked {
            Some(Look::Nothing) => return Ok(migrator.set.is_empty().then_some(State::Current)),
            Some(Look::Current) => {
                self.settle().await?;
                self.report.already = self.already(migrator.set.len());
                return Ok(Some(State::Current));
            }
            // What the lost connection has begun may be about to commit: only under the lock is it known.
            _ if self.is_resumed => return Ok(None),
            _ => {}
        }
        let records = migrator.records(&self.wire).await?.unwrap_or_default();
        let plan = planner::plan(&migrator.set, &records, target, &migrator.rules)?;
        self.report.already = self.already(self.known(&records));
        Ok(plan.is_empty().then(|| plan.state()))
    }

    async fn under_lock(&mut self, work: Work) -> Result<(), Error> {
        let migrator = self.migrator;
        let (facts, records) = self.read().await?;
        let records = records.as_slice();
        match facts.events {
            true => self.settle().await?,
            // A failover may have lost everything.
            false => self.report.done.clear(),
        }
        let plan = match work {
            Work::Migrate(target, _) => {
                planner::plan(&migrator.set, records, self.what_is_left_of(target), &migrator.rules)?
            }
            Work::Stamp(target) => planner::stamp(&migrator.set, records, target)?,
        };
        self.report.already = self.already(self.known(records));
        self.report.state = plan.state();
        self.missing = migrator.sql.create(&facts);
        self.end_each(|step| plan.steps.iter().any(|left| around::is_same(step, left))).await?;
        if plan.is_empty() {
            if facts.history && facts.read_only.is_none() {
                self.mend_digest().await?;
            }
            return self.end().await;
        }
        if let Some(why) = facts.read_only {
            return Err(Error::read_only(why));
        }
        if self.session.is_pooled()
            && let Some(step) = plan.steps.iter().find(|step| step.transaction == TransactionMode::None)
        {
            return Err(Error::outside_behind_pooler(step.id.clone()));
        }
        if let Work::Migrate(..) = work {
            migrator.observer.notify(Progress::Planned { plan: &plan });
            self.preflight(&plan).await?;
            self.begin(&plan).await?;
        }
        tracing::info!(steps = plan.steps().len(), "migrating");
        self.is_applying = true;
        let outcome = match work {
            Work::Migrate(..) => self.apply(&plan, records).await,
            Work::Stamp(_) => self.stamp(&plan).await,
        };
        self.report.state = self.ledger.state(&migrator.set);
        self.is_applying = outcome.is_err();
        outcome?;
        self.end().await
    }

    /// Where other connections come from.
    pub(crate) fn connector(&self) -> Option<&'a dyn Connect> {
        self.migrator.direct.as_deref().or(self.connect)
    }

    /// After a lost connection: reads what this run has done without having heard of it. The outcome is read, never
    /// guessed. It takes the lock, or a digest that says that everything is done: else something may still be committing.
    async fn settle(&mut self) -> Result<(), Error> {
        let migrator = self.migrator;
        if !self.is_resumed {
            return Ok(());
        }
        let question = Session::aside(migrator.role.as_ref(), &migrator.sql.done_by(&self.name));
        let rows = self.wire.rows(&question).await;
        let rows = rows.map_err(|error| Error::database(reading(migrator), error))?;
        let mut told = std::mem::take(&mut self.report.done).into_iter().peekable();
        for done in rows.iter().filter_map(done_of) {
            match told.next_if(|told| (told.id(), told.direction()) == (done.id(), done.direction())) {
                Some(told) => self.report.done.push(told),
                None => self.tell_end(done),
            }
        }
        Ok(())
    }

    /// A target that counts from where the database is counts what this run has done.
    fn what_is_left_of(&self, target: Target) -> Target {
        let done = |steps: usize| i64::try_from(steps).unwrap_or(i64::MAX);
        match target {
            Target::Relative(steps @ 0..) => {
                Target::Relative(steps.saturating_sub(done(self.report.applied().count())))
            }
            Target::Relative(steps) => {
                Target::Relative(steps.saturating_add(done(self.report.reverted().count())))
            }
            target => target,
        }
    }

    /// How many migrations of the set were applied before this run, when so many are now.
    fn already(&self, now: usize) -> usize {
        now.saturating_sub(self.report.applied().count()).saturating_add(self.report.reverted().count())
    }

    /// How many rows are of migrations of the set.
    fn known(&self, records: &[Record]) -> usize {
        records.iter().filter(|record| self.migrator.set.find(record.version()).is_some()).count()
    }

    /// Sets the session up and reads what the catalog and the history say. One flight, each with its own snapshot: the
    /// history is never read by the statement that takes the lock.
    async fn read(&mut self) -> Result<(Facts, Vec<Record>), Error> {
        const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
        let migrator = self.migrator;
        let failed = |error| Error::database(reading(migrator), error);
        let (prepare, facts) = (self.session.prepare(&self.guard), migrator.sql.facts());
        // A transaction that stays open for a message or two is what a pooler in statement mode refuses.
        let (first, second) = match self.session.is_pooled() {
            true => (format!("{BEGIN}; {prepare}"), facts),
            false => (prepare, format!("{BEGIN}; {facts}")),
        };
        let messages = [&first, &second, &migrator.sql.all(), "COMMIT"];
        let [settings, facts, rows, _] = self.wire.pipelined(messages).await.map_err(failed)?;
        self.session.learn(&settings.map_err(failed)?);
        self.take_in(facts, rows)
    }

    /// Makes sense of what was read, and starts the ledger from it.
    fn take_in(&mut self, facts: Rows, rows: Rows) -> Result<(Facts, Vec<Record>), Error> {
        let migrator = self.migrator;
        let facts = facts.map_err(|error| Error::database(reading(migrator), error))?;
        let facts = match facts.first() {
            Some(row) => Facts::of(row, &migrator.history)?,
            None => return Err(Error::history(&migrator.history, "could not be looked up in the catalog")),
        };
        let records = match rows {
            Ok(rows) => migrator.sql.records(&rows)?,
            Err(error) if !facts.history && is_undefined(&error) => Vec::new(),
            Err(error) => return Err(Error::database(reading(migrator), error)),
        };
        self.ledger = Ledger::new(&records);
        Ok((facts, records))
    }

    /// Reads the history anew after a failure: the outcome is read, never guessed.
    pub(crate) async fn reread(&mut self) -> Result<(), Error> {
        let (facts, _) = self.read().await?;
        self.missing = self.migrator.sql.create(&facts);
        Ok(())
    }

    /// Gives a history that lacks it its digest, so that the next boot need not take the lock.
    async fn mend_digest(&mut self) -> Result<(), Error> {
        self.create_history().await?;
        let announce = self.ledger.announce(&self.migrator.sql);
        let announced = self.own_transaction(&[announce]).await;
        announced.map(drop).map_err(|error| Error::database("writing the digest of the history", error))
    }

    /// Creates what is missing of the history, where it was not created on the way.
    pub(crate) async fn create_history(&mut self) -> Result<(), Error> {
        if self.missing.is_empty() {
            return Ok(());
        }
        let missing = std::mem::take(&mut self.missing);
        let created = self.own_transaction(&missing).await;
        created.map(drop).map_err(|error| self.not_created(error))
    }

    pub(crate) fn not_created(&self, error: PgError) -> Error {
        Error::database(format!("creating the history {}", self.migrator.history), error)
    }

    /// Runs the library's own statements in a transaction of their own, under the lock's guard. Whatever a migration has
    /// set the session to does not reach them, and stays. One flight.
    pub(crate) async fn own_transaction(
        &self,
        statements: &[String],
    ) -> Result<Vec<SimpleQueryRow>, PgError> {
        self.wire.rows(&self.in_own_transaction(statements).join("; ")).await
    }

    /// The statements of such a transaction.
    pub(crate) fn in_own_transaction(&self, statements: &[String]) -> Vec<String> {
        let local = Local { lock_timeout: OWN_LOCK_TIMEOUT, ..Local::default() };
        let mut all = vec!["BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE".to_owned()];
        all.extend(self.session.own());
        all.push(format!("SELECT {}", self.guard));
        all.extend(self.session.local(&local));
        all.extend_from_slice(statements);
        all.push("COMMIT".to_owned());
        all
    }
}

/// A run under way.
pub(crate) type Running<'a> = Pin<Box<dyn Future<Output = (Trip, Result<(), Error>)> + Send + 'a>>;

type Rows = Result<Vec<SimpleQueryRow>, PgError>;

pub(crate) fn reading(migrator: &Migrator) -> String {
    format!("reading the history {}", migrator.history)
}

/// Whether an error says that the history is not there.
pub(crate) fn is_undefined(error: &PgError) -> bool {
    let undefined = [SqlState::UNDEFINED_TABLE, SqlState::INVALID_SCHEMA_NAME];
    error.code().is_some_and(|code| undefined.contains(code))
}
