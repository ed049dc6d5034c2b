//! Where a run gets its connections from.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{Client, Config, NoTls, Socket};

use crate::Error;

/// How long a server may take until it has let a client in.
const HANDSHAKE: Duration = Duration::from_secs(60);

/// Opens the connections of a run: one at its beginning, and another each time that one was lost.
///
/// [`Direct`] is the one to use with a configuration; adapters implement it for their pools, programs where something
/// has to be asked for each connection:
///
/// ```
/// use dunlin_core::{Connect, Connection, Direct, Error};
/// use tokio_postgres::{Config, NoTls};
///
/// struct WithToken(Config);
///
/// #[async_trait::async_trait]
/// impl Connect for WithToken {
///     async fn connect(&self) -> Result<Connection, Error> {
///         let token = token().await.map_err(Error::no_connection)?;
///         let mut config = self.0.clone();
///         config.password(token);
///         Direct::new(config, NoTls).connect().await
///     }
/// }
/// # async fn token() -> Result<String, std::io::Error> { Ok(String::new()) }
/// ```
#[async_trait]
pub trait Connect: Send + Sync {
    /// Opens a connection that is the run's alone and that nobody else gets afterwards.
    ///
    /// # Errors
    ///
    /// [`Error::no_connection`] with the cause. Of the server's answers those that pass (it is starting up, it has too
    /// many clients) are met with another try.
    ///
    /// # Cancel safety
    ///
    /// A run that is dropped, or that no longer needs the connection, drops the future at any await: a connection that was
    /// opened meanwhile has to close then.
    async fn connect(&self) -> Result<Connection, Error>;
}

/// A connection of a run's own.
///
/// Dropped before it was closed in order, it cancels what runs on it: neither a transaction nor the lock stays.
pub struct Connection {
    client: Box<dyn Deref<Target = Client> + Send + Sync>,
    guard: Guard,
}

impl Connection {
    /// Takes a client that closes its connection when it is dropped, as that of a pool does which was taken out of it.
    ///
    /// A request to cancel goes to the server in clear text: the connection that it is about ends with it. Where the
    /// configuration requires TLS there is none; the server notices within a quarter of a second that the client has
    /// gone.
    #[must_use]
    pub fn new(client: impl Deref<Target = Client> + Send + Sync + 'static) -> Self {
        let cancel = cancel(&client, NoTls);
        Self { client: Box::new(client), guard: Guard { task: None, cancel: Some(cancel) } }
    }

    /// Cuts it when it is dropped, without asking the server to cancel what runs: it notices by itself, if later.
    ///
    /// A cancel request through pgbouncer 1.18 whose own connection is closed at once can end pgbouncer (its log says "bad
    /// client state"), and for a connection that is lost it comes too late anyway.
    pub(crate) fn without_cancel(mut self) -> Self {
        self.guard.cancel = None;
        self
    }

    /// Ends the connection in order and waits until it has ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cuts the connection.
    pub async fn close(self) {
        let Self { client, mut guard } = self;
        guard.cancel = None;
        let task = guard.task.take();
        drop(client);
        if let Some(task) = task {
            let _ = task.await;
        }
    }
}

impl Deref for Connection {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

/// Connects as a [`Config`] says.
#[derive(Clone)]
pub struct Direct<T> {
    config: Config,
    tls: T,
    /// Whether it has said that it is not encrypted.
    has_warned: Arc<AtomicBool>,
}

impl<T: Tls> Direct<T> {
    /// Connections of this configuration.
    ///
    /// What it leaves open is set so that a lost network shows within seconds: keepalives, `tcp_user_timeout`,
    /// `connect_timeout`. A server that has let nobody in after a minute is given up. The application's name is `dunlin` if it has none.
    #[must_use]
    pub fn new(mut config: Config, tls: T) -> Self {
        if config.get_keepalives_interval().is_none() {
            config
                .keepalives_idle(Duration::from_secs(3))
                .keepalives_interval(Duration::from_secs(1))
                .keepalives_retries(3);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(Duration::from_secs(6));
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(Duration::from_secs(10));
        }
        if config.get_application_name().is_none() {
            config.application_name("dunlin");
        }
        Self { config, tls, has_warned: Arc::default() }
    }
}

#[async_trait]
impl<T: Tls> Connect for Direct<T> {
    async fn connect(&self) -> Result<Connection, Error> {
        if let Some(host) = in_clear_text::<T>(&self.config)
            && !self.has_warned.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(host, "the migration connection is not encrypted: give it a TLS connector");
        }
        // The configuration's own timeout ends with the TCP connection.
        let connecting = tokio::time::timeout(HANDSHAKE, self.config.connect(self.tls.clone())).await;
        let (client, connection) = connecting.map_err(Error::no_connection)?.map_err(Error::no_connection)?;
        let task = tokio::spawn(async move {
            if let Err(error) = connection.await {
                // Its text may hold what the server says about values.
                tracing::debug!(
                    code = error.code().map(|code| code.code()),
                    "the migration connection ended"
                );
            }
        });
        let guard = Guard { task: Some(task), cancel: Some(cancel(&client, self.tls.clone())) };
        Ok(Connection { client: Box::new(Bare(client)), guard })
    }
}

impl<T> fmt::Debug for Direct<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The configuration may hold a password.
        f.debug_struct("Direct").finish_non_exhaustive()
    }
}

/// What makes connections private: any connector of tokio-postgres that can be used more than once, or [`NoTls`].
pub trait Tls:
    MakeTlsConnect<Socket, Stream: Send + 'static, TlsConnect: TlsConnect<Socket, Future: Send> + Send>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<T> Tls for T where
    T: MakeTlsConnect<Socket, Stream: Send + 'static, TlsConnect: TlsConnect<Socket, Future: Send> + Send>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// The first host that is reached over a network without encryption, as far as the configuration tells.
fn in_clear_text<T: 'static>(config: &Config) -> Option<&str> {
    let clear = std::any::TypeId::of::<T>() == std::any::TypeId::of::<NoTls>()
        || config.get_ssl_mode() == SslMode::Disable;
    let is_here = |host: &str| match host.parse::<std::net::IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    };
    config.get_hosts().iter().filter(|_| clear).find_map(|host| match host {
        Host::Tcp(host) => (!is_here(host)).then_some(host.as_str()),
        _ => None,
    })
}

struct Bare(Client);

impl Deref for Bare {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.0
    }
}

type Cancel = Box<dyn FnOnce() + Send + Sync>;

/// Asks the server, in a task of its own, to cancel what runs.
fn cancel<T: Tls>(client: &Client, tls: T) -> Cancel {
    let token = client.cancel_token();
    Box::new(move || {
        // Without a runtime the server notices by itself that the client has gone.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { token.cancel_query(tls).await });
        }
    })
}

/// Cuts a connection that was not closed in order.
struct Guard {
    task: Option<JoinHandle<()>>,
    cancel: Option<Cancel>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
        if let Some(cancel) = self.cancel.take() {
            cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f67_a_host_that_is_reached_in_clear_text_is_named() {
        let named = |config: &str| in_clear_text::<NoTls>(&config.parse().unwrap()).map(str::to_owned);
        assert_eq!(named("host=db.example.com"), Some("db.example.com".to_owned()));
        assert_eq!(named("host=10.0.0.1,127.0.0.1"), Some("10.0.0.1".to_owned()));
        for here in ["host=localhost", "host=127.0.0.1", "host=::1", "host=/run/postgresql", "user=me"] {
            assert_eq!(named(here), None, "{here}");
        }
    }

    #[test]
    fn nothing_of_a_configuration_is_printed() {
        let direct = Direct::new("host=db password=secret".parse().unwrap(), NoTls);
        assert_eq!(format!("{direct:?}"), "Direct { .. }");
    }
}
