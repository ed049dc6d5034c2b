use std::sync::Arc;

use tokio_postgres::Config;

use crate::{
    clean::{self, Dirty},
    error::Error,
    home::{From, Home},
    home_sql::Kind,
    server::Server,
    session,
    stock::Ready,
    template::Template,
};

/// How many databases that others have left are tried before one is made.
const MOST_TRIES: usize = 3;

/// A database that is somebody's until this is dropped: then it is handed back, in the background.
#[derive(Debug)]
pub(crate) struct Lease {
    server: Server,
    home: Arc<Home>,
    template: Arc<Template>,
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
    /// Takes a new copy of the template, or a used one that is clean again, with the connection that has cleaned it. So many
    /// are made ahead for the next ones.
    pub(crate) async fn take(
        server: &Server,
        home: &Arc<Home>,
        template: &Arc<Template>,
        ahead: usize,
    ) -> Result<(Self, Option<tokio_postgres::Client>), Error> {
        // A process that ends with its test can't wait until what it has used up is dropped: there may be many.
        let mut tries = 0..MOST_TRIES;
        loop {
            let from = if tries.next().is_some() { From::Anybody } else { From::Ours };
            let ready = home.take(template, from).await?;
            // From here on a drop of the future hands it back.
            let mut lease = Self {
                server: server.clone(),
                home: home.clone(),
                template: template.clone(),
                name: ready.name().to_owned(),
                end: End::Return,
            };
            match ready {
                Ready::New(_) => {
                    home.make_ahead(template, ahead);
                    return Ok((lease, None));
                }
                Ready::Used(_) => match lease.clean().await {
                    Ok(client) => {
                        home.make_ahead(template, ahead);
                        return Ok((lease, Some(client)));
                    }
                    Err(why) => {
                        tracing::debug!(name = lease.name, %why, "a test database is not used again");
                        lease.end = End::Discard;
                    }
                },
            }
        }
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
        let dropped = self.home.drop_database(self.template.key(), &self.name).await;
        // A second try would fail for the same reason.
        self.end = End::Leave;
        dropped
    }

    /// Leaves the database where it is when the process has ended, for people to look at.
    pub(crate) fn keep(&mut self, test: &str) {
        self.home.keep(Kind::Database, &self.name, test);
        self.server.keep_running();
        self.end = End::Leave;
    }

    async fn clean(&self) -> Result<tokio_postgres::Client, Dirty> {
        let client = session::connect(&self.config()).await?;
        clean::clean(&client, &self.template, self.home.facts().epoch).await?;
        Ok(client)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let name = self.name.clone();
        match self.end {
            End::Return => self.home.give_back(&self.template, name),
            End::Discard => self.home.discard(self.template.key(), name),
            End::Leave => {}
        }
    }
}
