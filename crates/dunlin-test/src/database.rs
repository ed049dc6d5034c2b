use std::sync::Arc;

use tokio_postgres::{Client, Config};

use crate::{
    error::{Error, Fault},
    home::Home,
    lease::Lease,
    server::Server,
    session,
};

/// An empty database of its own, on a [`Server`].
///
/// [`drop`](Self::drop) removes it. Without that call, dropping the value removes it in the background, with whoever is
/// connected to it, and without the caller's runtime. Should the process end before, a server of our own takes the database
/// with it, and on another's the next run sweeps it.
#[derive(Debug)]
pub struct Database {
    lease: Lease,
}

impl Database {
    pub(crate) async fn create(server: &Server, home: &Arc<Home>) -> Result<Self, Error> {
        let (lease, _) = Lease::take(server, &home.empty().await, 0).await?;
        Ok(Self { lease })
    }

    /// Returns the name; it needs no quotes in SQL.
    pub fn name(&self) -> &str {
        self.lease.name()
    }

    /// Returns the server that the database is on.
    pub fn server(&self) -> &Server {
        self.lease.server()
    }

    /// Returns how to connect to it: through the socket if the server is our own.
    pub fn config(&self) -> Config {
        self.lease.config()
    }

    /// Returns its URL, with the password: through TCP if the server is our own.
    pub fn url(&self) -> String {
        self.server().url_of(self.name())
    }

    /// Connects. The connection runs as a task on the current runtime, and ends with the client.
    ///
    /// # Errors
    /// [`ErrorKind::Connect`](crate::ErrorKind::Connect) if the server does not answer or refuses.
    ///
    /// # Cancel safety
    /// A drop closes the connection.
    pub async fn connect(&self) -> Result<Client, Error> {
        session::connect(&self.config())
            .await
            .map_err(|source| Fault::Connect { to: format!("the database {}", self.name()), source }.into())
    }

    /// Drops the database, with whoever is connected to it.
    ///
    /// # Errors
    /// [`ErrorKind::Database`](crate::ErrorKind::Database) if the server refuses.
    ///
    /// # Cancel safety
    /// A drop of the future leaves it to the drop of the value, which happens at the same moment.
    pub async fn drop(self) -> Result<(), Error> {
        self.lease.drop_now().await
    }
}
