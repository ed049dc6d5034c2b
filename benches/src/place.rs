use std::path::Path;

use dunlin_test::{Database, Server};
use tests::Proxy;
use tokio_postgres::{
    Client, Config, NoTls,
    config::{Host, SslMode},
};

use crate::Failure;

/// A database and the way to it, which is the same for every contestant of a measurement.
#[derive(Clone, Debug)]
pub struct Place {
    config: Config,
}

impl Place {
    /// Through the Unix socket, without a password.
    pub fn socket(database: &Database) -> Self {
        Self { config: database.config() }.without_tls()
    }

    /// The maintenance database, through the Unix socket, without a password.
    pub fn maintenance(server: &Server) -> Self {
        Self { config: server.config() }.without_tls()
    }

    /// Another database of the same server.
    #[must_use]
    pub fn of(&self, database: &str) -> Self {
        let mut config = self.config.clone();
        config.dbname(database);
        Self { config }
    }

    /// Through a proxy, which may add a round trip.
    pub fn through(proxy: &Proxy) -> Self {
        Self { config: proxy.config() }.without_tls()
    }

    /// For `tokio_postgres`.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// A host name, or the folder of a Unix socket.
    pub fn host(&self) -> &str {
        match self.config.get_hosts().first() {
            Some(Host::Tcp(name)) => name,
            Some(Host::Unix(folder)) => folder.to_str().unwrap_or_default(),
            None => "localhost",
        }
    }

    /// The folder of the Unix socket, if it is one.
    pub fn folder(&self) -> Option<&Path> {
        match self.config.get_hosts().first() {
            Some(Host::Unix(folder)) => Some(folder),
            _ => None,
        }
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.config.get_ports().first().copied().unwrap_or(5432)
    }

    /// The role.
    pub fn user(&self) -> &str {
        self.config.get_user().unwrap_or("postgres")
    }

    /// The role's password, where one is needed.
    pub fn password(&self) -> Option<&str> {
        self.config.get_password().and_then(|password| str::from_utf8(password).ok())
    }

    /// The database.
    pub fn database(&self) -> &str {
        self.config.get_dbname().unwrap_or("postgres")
    }

    /// Opens a connection with `tokio_postgres`, which a task of its own drives until the client is dropped.
    ///
    /// # Errors
    /// When it can't.
    pub async fn connect(&self) -> Result<Client, Failure> {
        let (client, connection) = self.config.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    /// Asking for TLS and being told that there is none would cost some contestants a round trip.
    fn without_tls(mut self) -> Self {
        self.config.ssl_mode(SslMode::Disable);
        self
    }
}
