use tokio_util::sync::CancellationToken;

/// Asks runs to stop before they are done, as a service does that was told to end.
///
/// A run that is asked stops where nothing is half done: before it takes the lock, between two flights of migrations, between two
/// statements of a migration outside a transaction, between two batches of a backfill. It frees the lock and ends with an error of
/// kind [`Stopped`](crate::ErrorKind::Stopped) that carries the report; the next run goes on there. What the server is at is not
/// cancelled: who can't wait for it drops the future of the run, which cancels it.
///
/// A hook in Rust that takes long asks [`check`](Self::check) now and then; its error is what it ends with.
///
/// ```no_run
/// # async fn boot(set: dunlin_core::MigrationSet, config: tokio_postgres::Config) -> Result<(), dunlin_core::Error> {
/// use dunlin_core::{Migrator, Stop};
/// use tokio_postgres::NoTls;
///
/// let stop = Stop::new();
/// let migrator = Migrator::new(set).stop_on(&stop);
/// tokio::spawn(async move {
///     let _ = tokio::signal::ctrl_c().await;
///     stop.stop();
/// });
/// dunlin_core::migrate(&config, NoTls, &migrator).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct Stop(CancellationToken);

impl Stop {
    /// One that nobody has asked for yet. Clones are the same.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One that is asked for whenever this one is, and can be by itself.
    #[must_use]
    pub fn child(&self) -> Self {
        Self(self.0.child_token())
    }

    /// Asks for it, once and for all.
    pub fn stop(&self) {
        self.0.cancel();
    }

    /// Whether it was asked for.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.is_cancelled()
    }

    /// For a hook: an error to end with, once it was asked for.
    ///
    /// # Errors
    ///
    /// [`Stopped`], once it was asked for.
    pub fn check(&self) -> Result<(), Stopped> {
        if self.is_stopped() { Err(Stopped) } else { Ok(()) }
    }

    /// Comes back when it was asked for.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves nothing behind.
    pub async fn stopped(&self) {
        self.0.cancelled().await;
    }

    /// Sleeps so long, or until it was asked for.
    pub(crate) async fn sleep(&self, pause: std::time::Duration) {
        let _ = tokio::time::timeout(pause, self.stopped()).await;
    }
}

/// What a hook ends with that was asked to stop. A run knows it, whatever it is the cause of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it was asked to stop before it was done")]
pub struct Stopped;

impl Stopped {
    /// Whether it is among an error and its causes.
    pub(crate) fn is_in(error: &(dyn std::error::Error + 'static)) -> bool {
        std::iter::successors(Some(error), |error| error.source()).any(|error| error.is::<Self>())
    }
}
