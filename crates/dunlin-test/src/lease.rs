use tokio_postgres::{Client, Config};

use crate::{copies::Copies, error::Error, home_sql::Kind, server::Server};

/// How many databases that others have left are tried before one is made.
const MOST_TRIES: usize = 3;

/// A database that is somebody's until this is dropped: then it is handed back, in the background.
#[derive(Debug)]
pub(crate) struct Lease {
    server: Server,
    copies: Copies,
    name: String,
    end: End,
}

/// What becomes of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The next one may have it.
    Return,
    /// It is dropped.
    Discard,
    /// It stays, or was dropped already.
    Leave,
}

impl Lease {
    /// Takes a new copy, or a used one that is clean again, with the connection that has cleaned it. So many are made ahead for the
    /// next ones.
    pub(crate) async fn take(
        server: &Server,
        copies: &Copies,
        ahead: usize,
    ) -> Result<(Self, Option<Client>), Error> {
        let taken = match copies.ready() {
            Some(ready) => (Self::of(server, copies, ready.name), ready.client),
            None => match Self::adopt(server, copies).await? {
                Some((lease, client)) => (lease, Some(client)),
                None => {
                    let ready = copies.wait().await?;
                    (Self::of(server, copies, ready.name), ready.client)
                }
            },
        };
        copies.make_ahead(ahead);
        Ok(taken)
    }

    /// Takes over what others have left. There may be many that can't be cleaned, and a process that ends with its test can't wait
    /// until they are dropped.
    async fn adopt(server: &Server, copies: &Copies) -> Result<Option<(Self, Client)>, Error> {
        for _ in 0..MOST_TRIES {
            let Some(name) = copies.adopt().await? else { break };
            // From here on a drop of the future hands it back.
            let mut lease = Self::of(server, copies, name);
            match copies.clean(&lease.name).await {
                Ok(client) => return Ok(Some((lease, client))),
                Err(why) => {
                    tracing::debug!(name = lease.name, %why, "a test database is not used again");
                    lease.end = End::Discard;
                }
            }
        }
        Ok(None)
    }

    fn of(server: &Server, copies: &Copies, name: String) -> Self {
        Self { server: server.clone(), copies: copies.clone(), name, end: End::Return }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    pub(crate) fn config(&self) -> Config {
        let mut config = self.server.config();
        config.dbname(&self.name);
        config
    }

    /// Drops the database now.
    pub(crate) async fn drop_now(mut self) -> Result<(), Error> {
        // If the future is dropped half way the lease goes with it.
        self.end = End::Discard;
        let dropped = self.copies.home().remove(Kind::Database, &self.name).await;
        // A second try would fail for the same reason.
        self.end = End::Leave;
        dropped
    }

    /// Leaves the database where it is when the process has ended, for people to look at.
    pub(crate) fn keep(&mut self, test: &str) {
        self.copies.home().keep(Kind::Database, &self.name, test);
        self.server.keep_running();
        self.end = End::Leave;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let name = self.name.clone();
        match self.end {
            End::Return => self.copies.give_back(name),
            End::Discard => self.copies.home().discard(Kind::Database, name),
            End::Leave => {}
        }
    }
}
