//! What a migrator does on a client of its caller's.

use tokio_postgres::Client;
use tracing::Instrument as _;

use crate::history::Record;
use crate::look::Look;
use crate::planner;
use crate::run::{Run, Trip, Work};
use crate::undo::Undo;
use crate::verification::{Access, Verification};
use crate::wire::Wire;
use crate::{Error, MigrationId, Migrator, Plan, RecordState, Report, State, Status, Target, spans};

impl Migrator {
    /// Takes the database to `target`, or finds that it is there already, which costs one flight for
    /// [`Target::Latest`].
    ///
    /// It is safe to call from any number of processes at once: one works, the others wait until it has finished.
    /// `client` should be a connection of its own, not one from a pool. What its session holds is reset before the first
    /// migration and at the end: settings and roles, temporary tables, cursors, `LISTEN`; a path for the migrations is given
    /// with [`search_path`](Self::search_path). It may not be inside a transaction. With [`migrate`](crate::migrate) the
    /// library opens a connection by itself.
    ///
    /// # Errors
    ///
    /// Any [`ErrorKind`](crate::ErrorKind) but `Connect` and `Behind`. The error's report says what was applied before
    /// it, which stays.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future undoes what is under way and frees the lock, on `client` itself: a request to cancel the
    /// statement that runs is sent, in clear text, and the end of the transaction behind it. (A configuration that
    /// requires TLS gets no such request: there the statement runs to its end first.) The next statement of `client` waits
    /// up to 0.2 s, so that the request does not meet it. What was committed is in the history, and the next run goes on.
    pub async fn run(&self, client: &mut Client, target: Target) -> Result<Report, Error> {
        self.check_build()?;
        let wire = Wire::new(client);
        let looked = match target {
            Target::Latest => Some(self.look(&wire).await?),
            _ => None,
        };
        if looked == Some(Look::Current) {
            return Ok(Report::nothing_to_do(self.set.len(), wire.took()));
        }
        self.work(client, wire, Work::Migrate(target, looked)).await
    }

    /// Works on a client that lives on.
    async fn work(&self, client: &Client, wire: Wire<'_>, work: Work) -> Result<Report, Error> {
        let undo = Undo::on_drop(client, self.key.leave());
        let trip = Trip::new(self);
        let span = spans::run(self, &trip.name);
        let running = Run::on(wire, None, self, work, trip).instrument(span.clone());
        let (mut trip, outcome) = running.await;
        undo.disarm();
        let outcome = match outcome {
            Ok(()) => Ok(trip.report),
            Err(error) => Err(trip.fail(self, self.direct.as_deref(), error).await),
        };
        spans::end_run(&span, &outcome);
        outcome
    }

    /// Declares in the history that exactly the migrations up to `target` are applied, without running any. It is how a
    /// database gets under management that was made in another way, and how a history is mended after work by hand.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run), except that no policy is in its way.
    ///
    /// # Cancel safety
    ///
    /// As [`run`](Self::run); the stamp itself is one transaction.
    pub async fn stamp(&self, client: &mut Client, target: Target) -> Result<Report, Error> {
        self.check_build()?;
        self.work(client, Wire::new(client), Work::Stamp(target)).await
    }

    /// Says what [`run`](Self::run) would do, without doing it, locking or writing anything. `client` should not be inside a
    /// transaction: what the question sets there (`row_security`, the [`role`](Self::role)) would hold until its end.
    ///
    /// # Errors
    ///
    /// Where the run would be refused before its first statement, with the same error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind.
    pub async fn plan(&self, client: &Client, target: Target) -> Result<Plan, Error> {
        self.check_build()?;
        let records = self.records(&Wire::new(client)).await?.unwrap_or_default();
        planner::plan(&self.set, &records, target, &self.rules)
    }

    /// Says how the database stands against the set. It needs SELECT on the history alone and works on a standby. `client`
    /// should not be inside a transaction, as for [`plan`](Self::plan).
    ///
    /// # Errors
    ///
    /// When the history can't be read. A history that disagrees with the set is a status, not an error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind.
    pub async fn status(&self, client: &Client) -> Result<Status, Error> {
        let records = self.records(&Wire::new(client)).await?.unwrap_or_default();
        Ok(Status::new(&self.set, records, &self.rules.policies))
    }

    /// Checks that every migration of the set is applied, for a service that leaves migrating to somebody else: one
    /// flight where it is. It needs SELECT on the history alone and works on a standby. `client` should not be inside a
    /// transaction, as for [`plan`](Self::plan).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Behind`](crate::ErrorKind::Behind) and [`ErrorKind::Diverged`](crate::ErrorKind::Diverged); and when
    /// the history can't be read.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind.
    pub async fn ensure_current(&self, client: &Client) -> Result<State, Error> {
        self.check_build()?;
        if self.look(&Wire::new(client)).await? == Look::Current {
            return Ok(State::Current);
        }
        let status = self.status(client).await?;
        let denied: Vec<_> = status.findings.iter().filter(|finding| finding.is_denied()).cloned().collect();
        match (denied.is_empty(), status.state) {
            (false, _) => Err(Error::diverged(denied)),
            (true, State::Behind) => {
                let half = status.records.iter().filter(|record| record.state != RecordState::Applied);
                let waiting: Vec<_> = half.map(Record::id).chain(&status.pending).collect();
                match waiting.first() {
                    Some(first) => Err(Error::behind(waiting.len(), MigrationId::clone(first))),
                    None => Ok(State::Behind),
                }
            }
            (true, state) => Ok(state),
        }
    }

    /// Runs the verify scripts and hooks of all applied migrations of the set, in a transaction that is rolled back.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Verify`](crate::ErrorKind::Verify) with every migration that does not verify; and when the history
    /// can't be read, `client` is inside a transaction, or a script or hook ends the one that it runs in.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future rolls the transaction back, as that of [`run`](Self::run) does.
    pub async fn verify(&self, client: &mut Client) -> Result<Verification, Error> {
        crate::verification::verify(self, client, Access::Any).await
    }

    /// [`verify`](Self::verify) for the application's own role, or on a standby: the transaction is read-only, whatever the
    /// scripts try; a hook that ends the transaction is found out, not held back. It needs SELECT on the history and on what they read; it does not become the
    /// [`role`](Self::role) that owns the migrations.
    ///
    /// # Errors
    ///
    /// As [`verify`](Self::verify); migrations whose scripts write are among those that do not verify.
    ///
    /// # Cancel safety
    ///
    /// As [`verify`](Self::verify).
    pub async fn verify_read_only(&self, client: &mut Client) -> Result<Verification, Error> {
        let own = Self { role: None, ..self.clone() };
        crate::verification::verify(&own, client, Access::Read).await
    }
}
