use std::thread;

use tokio_postgres::{Client, Config};

use crate::{
    error::{Error, Fault},
    server::Server,
    session,
};

/// An empty database of its own, on a [`Server`].
///
/// [`drop`](Self::drop) removes it. Without that call, dropping the value removes it as well as can be, with whoever
/// is connected to it, on a thread of its own and without the caller's runtime: on a server of our own in the
/// background, on that of `DATABASE_URL` before the drop returns. Should that fail, or should the process be killed, a
/// server of our own takes the database with it, and on another's it stays; it is called
/// `dunlin_test_<pid>_<seconds since 1970>_<random>`.
#[derive(Debug)]
pub struct Database {
    server: Server,
    name: String,
    is_gone: bool,
}

impl Database {
    pub(crate) fn new(server: Server, name: String) -> Self {
        Self { server, name, is_gone: false }
    }

    /// Returns the name; it needs no quotes in SQL.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the server that the database is on.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Returns how to connect to it: through the socket if the server is our own.
    pub fn config(&self) -> Config {
        let mut config = self.server.config();
        config.dbname(&self.name);
        config
    }

    /// Returns its URL, with the password: through TCP if the server is our own.
    pub fn url(&self) -> String {
        self.server.url_of(&self.name)
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
            .map_err(|source| Fault::Connect { to: format!("the database {}", self.name), source }.into())
    }

    /// Drops the database, with whoever is connected to it.
    ///
    /// # Errors
    /// [`ErrorKind::Database`](crate::ErrorKind::Database) if the server refuses.
    ///
    /// # Cancel safety
    /// A drop of the future leaves it to the drop of the value, which happens at the same moment.
    pub async fn drop(mut self) -> Result<(), Error> {
        let dropped = session::drop_database(self.server.config_ref(), &self.name).await;
        // A second try in `Drop` would fail for the same reason.
        self.is_gone = true;
        dropped.map_err(|source| Fault::Drop { name: self.name.clone(), source }.into())
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if self.is_gone {
            return;
        }
        let (server, name) = (self.server.clone(), self.name.clone());
        let is_own = server.is_own();
        // The runtime of the test may be the one that is ending now: the thread brings its own.
        let thread = thread::Builder::new().name("dunlin-test drop".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            if let Ok(runtime) = runtime
                && let Err(error) = runtime.block_on(session::drop_database(server.config_ref(), &name))
            {
                tracing::debug!(%error, name, "could not drop a test database");
            }
        });
        if let Ok(thread) = thread
            && !is_own
        {
            let _ = thread.join();
        }
    }
}
