use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_postgres::Client;

use crate::signals::{Autovacuum, OldestTransaction, ReplicaLag};

/// What a backfill looks at between its batches, to stop when the database has enough to do without it.
///
/// While one of its [signals](Signal) says so its workers wait, give their range back, and say why: in the log, in
/// [`Status::waits_for`](crate::Status::waits_for) and in [`Report::slept`](crate::Report::slept).
///
/// By default these are a [replica](ReplicaLag) that is more than 256 MB behind, an [autovacuum](Autovacuum) of the table, and a
/// [snapshot](OldestTransaction) that is older than half an hour; and its workers [yield](Self::yields) to other sessions.
///
/// ```
/// use std::time::Duration;
///
/// use dunlin_backfill::{ActiveSessions, Health, ReplicaLag, Settings};
///
/// let health = Health::default().with(ReplicaLag::bytes(16 << 20)).with(ActiveSessions::most(20)).every(Duration::from_millis(500));
/// let settings = Settings::default().health(health);
/// ```
#[derive(Clone)]
#[must_use]
pub struct Health {
    pub(crate) every: Duration,
    pub(crate) signals: Vec<Arc<dyn Signal>>,
    pub(crate) yields: bool,
}

impl Health {
    /// Looks at nothing.
    pub fn none() -> Self {
        Self { every: Duration::from_secs(1), signals: Vec::new(), yields: false }
    }

    /// Looks at this, too; in place of a signal of the same name.
    pub fn with(mut self, signal: impl Signal) -> Self {
        self.signals.retain(|other| other.name() != signal.name());
        self.signals.push(Arc::new(signal));
        self
    }

    /// Whether a worker rests after each batch while other sessions are at work in the database, as long as the batch took for each of
    /// them, and two seconds at most. By default it does: an application that is busy keeps most of its speed, and one that is not does not slow the
    /// backfill down.
    pub fn yields(self, yields: bool) -> Self {
        Self { yields, ..self }
    }

    /// Looks so often, and again after as long while it waits. Every second by default.
    pub fn every(self, pause: Duration) -> Self {
        Self { every: pause.max(Duration::from_millis(1)), ..self }
    }
}

impl Default for Health {
    fn default() -> Self {
        Self::none()
            .yields(true)
            .with(ReplicaLag::bytes(256 << 20))
            .with(Autovacuum)
            .with(OldestTransaction::age(Duration::from_secs(1_800)))
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Health")
            .field("every", &self.every)
            .field("yields", &self.yields)
            .field("signals", &self.signals.iter().map(|signal| signal.name()).collect::<Vec<_>>())
            .finish()
    }
}

/// Something by which a database, or what is around it, tells that it has enough to do.
///
/// ```
/// use dunlin_backfill::{Checkup, Signal};
///
/// /// A queue that the application fills when rows are written.
/// struct Queue(i64);
///
/// #[async_trait::async_trait]
/// impl Signal for Queue {
///     fn name(&self) -> &'static str {
///         "queue"
///     }
///
///     async fn check(&self, checkup: &Checkup<'_>) -> Result<Option<String>, tokio_postgres::Error> {
///         let waiting: i64 = checkup.client().query_one("SELECT count(*) FROM queue", &[]).await?.get(0);
///         Ok((waiting > self.0).then(|| format!("{waiting} entries of the queue wait")))
///     }
/// }
/// ```
#[async_trait]
pub trait Signal: Send + Sync + 'static {
    /// What it is called in reports: one or two words.
    fn name(&self) -> &'static str;

    /// Looks, and says in a few words why the backfill should wait, if it should.
    ///
    /// # Errors
    ///
    /// What the server refuses is logged, and is no reason to wait; a lost connection is made again.
    async fn check(&self, checkup: &Checkup<'_>) -> Result<Option<String>, tokio_postgres::Error>;
}

/// What a [`Signal`] looks with.
pub struct Checkup<'a> {
    pub(crate) client: &'a Client,
    pub(crate) oid: u32,
}

impl<'a> Checkup<'a> {
    /// A connection outside of a transaction, with the role and the path of migrations.
    #[must_use]
    pub fn client(&self) -> &'a Client {
        self.client
    }

    /// The number of the table that the backfill goes through, as `pg_class.oid` has it.
    #[must_use]
    pub fn table(&self) -> u32 {
        self.oid
    }
}

impl fmt::Debug for Checkup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkup").field("table", &self.oid).finish_non_exhaustive()
    }
}
