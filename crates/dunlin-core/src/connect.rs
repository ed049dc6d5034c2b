use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{CancelToken, Client, Config, Socket};

use crate::{Error, Migrator, Report, Target};

/// Opens a connection, takes the database to the latest migration and closes the connection.
///
/// This is what a service calls on boot. Where there is nothing to do it costs a connection and one flight.
///
/// # Errors
///
/// As [`Migrator::run`], and [`ErrorKind::Connect`](crate::ErrorKind::Connect).
///
/// # Cancel safety
///
/// Dropping the future closes the connection and asks the server to cancel what runs: neither a transaction nor the lock
/// stays. What was committed is in the history, and the next run goes on.
pub async fn migrate<T>(config: &Config, tls: T, migrator: &Migrator) -> Result<Report, Error>
where
    T: MakeTlsConnect<Socket> + Clone + Send + 'static,
    T::Stream: Send + 'static,
    T::TlsConnect: Send,
    <T::TlsConnect as tokio_postgres::tls::TlsConnect<Socket>>::Future: Send,
{
    migrate_to(config, tls, migrator, Target::Latest).await
}

/// [`migrate`] to another target.
///
/// # Errors
///
/// As [`migrate`].
///
/// # Cancel safety
///
/// As [`migrate`].
pub async fn migrate_to<T>(
    config: &Config,
    tls: T,
    migrator: &Migrator,
    target: Target,
) -> Result<Report, Error>
where
    T: MakeTlsConnect<Socket> + Clone + Send + 'static,
    T::Stream: Send + 'static,
    T::TlsConnect: Send,
    <T::TlsConnect as tokio_postgres::tls::TlsConnect<Socket>>::Future: Send,
{
    let began = Instant::now();
    let mut config = config.clone();
    // A lost network shows within seconds, on both sides, unless the caller has said otherwise.
    if config.get_keepalives_interval().is_none() {
        config
            .keepalives_idle(Duration::from_secs(3))
            .keepalives_interval(Duration::from_secs(1))
            .keepalives_retries(3);
    }
    if config.get_application_name().is_none() {
        config.application_name("dunlin");
    }
    let (client, connection) = config.connect(tls.clone()).await.map_err(Error::connect)?;
    let task = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "the migration connection ended");
        }
    });
    let mut own = OwnConnection { cancel: Some((client.cancel_token(), tls)), task };
    let mut client = client;
    let mut report = migrator.run(&mut client, target).await?;
    own.close(client).await;
    report.took = began.elapsed();
    Ok(report)
}

/// A connection of the library's own. Dropped before it was closed, it cancels what runs and cuts the connection.
struct OwnConnection<T>
where
    T: MakeTlsConnect<Socket> + Send + 'static,
    T::Stream: Send,
    T::TlsConnect: Send,
    <T::TlsConnect as tokio_postgres::tls::TlsConnect<Socket>>::Future: Send,
{
    cancel: Option<(CancelToken, T)>,
    task: JoinHandle<()>,
}

impl<T> OwnConnection<T>
where
    T: MakeTlsConnect<Socket> + Send + 'static,
    T::Stream: Send,
    T::TlsConnect: Send,
    <T::TlsConnect as tokio_postgres::tls::TlsConnect<Socket>>::Future: Send,
{
    /// Ends the connection in order and waits until it has ended.
    async fn close(&mut self, client: Client) {
        drop(client);
        let _ = (&mut self.task).await;
        self.cancel = None;
    }
}

impl<T> Drop for OwnConnection<T>
where
    T: MakeTlsConnect<Socket> + Send + 'static,
    T::Stream: Send,
    T::TlsConnect: Send,
    <T::TlsConnect as tokio_postgres::tls::TlsConnect<Socket>>::Future: Send,
{
    fn drop(&mut self) {
        self.task.abort();
        if let Some((token, tls)) = self.cancel.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move { token.cancel_query(tls).await });
        }
    }
}
