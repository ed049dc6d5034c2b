//! Where workers get their databases.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    time::{Duration, Instant},
};

use dunlin::BoxError;
use dunlin_test::{Server, TestDatabase, TestDatabaseBuilder};
use tokio_postgres::{Client, Config, NoTls, config::Host};

use crate::fresh::scene;

/// How long it may take until what the last process has left is gone: everybody who comes is waited for two seconds.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where workers get their databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// On a throw-away server that they share and that the first one starts.
    Shared,
    /// On a server that there is already, whose URL is in the environment.
    Given,
}

/// Where the workers of one round get their databases.
#[derive(Debug)]
pub(crate) enum Ground {
    /// The name tells the shared server from others.
    Shared {
        name: String,
    },
    Given {
        server: Server,
    },
}

impl Ground {
    /// Makes a ground. The name of a shared server is that of the round's kind, so that there are few of them.
    pub(crate) async fn make(place: Place, name: &str) -> Result<Self, BoxError> {
        Ok(match place {
            Place::Shared => Self::Shared { name: name.to_owned() },
            Place::Given => {
                // As many connections as a server has that nobody has configured.
                let server =
                    Server::builder().setting("cluster_name", name).setting("max_connections", "100");
                Self::Given { server: server.start().await? }
            }
        })
    }

    /// What a worker has to know, as environment variables.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Shared { name } => vec![(SHARED, name.clone())],
            Self::Given { server } => vec![("DATABASE_URL", server.url())],
        }
    }

    /// Whether a database may be kept: a shared server would stay for an hour with it.
    pub(crate) fn lets_keep(&self) -> bool {
        matches!(self, Self::Given { .. })
    }

    /// Waits until nothing is left that should not be, and returns how long that took. The folder is that of the shared server.
    pub(crate) async fn is_clean(&self, folder: Option<PathBuf>) -> Result<Duration, BoxError> {
        let began = Instant::now();
        match self {
            Self::Shared { .. } => {
                let folder = folder.ok_or("no worker has told where the shared server is")?;
                while folder.exists() {
                    wait(began, || format!("{} is still there", folder.display())).await?;
                }
            }
            Self::Given { server } => {
                let witness = connect(&server.config()).await?;
                loop {
                    let left = Left::of(&witness, "dunlin\\_").await?;
                    if left.is_nothing() {
                        break;
                    }
                    wait(began, || format!("{left:?}")).await?;
                }
            }
        }
        Ok(began.elapsed())
    }
}

/// In the environment of a worker: the name of its shared server.
const SHARED: &str = "FRESH_SHARED";

/// Returns how this process, which is a worker, gets databases, and the folder of its server if that is a shared one.
pub(crate) async fn databases() -> Result<(TestDatabaseBuilder, Option<PathBuf>), BoxError> {
    let builder = TestDatabase::builder(&scene::set());
    let Ok(name) = std::env::var(SHARED) else { return Ok((builder, None)) };
    let server = Server::builder().setting("cluster_name", name).shared().start().await?;
    let folder = server.config().get_hosts().iter().find_map(|host| match host {
        Host::Unix(folder) => Some(folder.clone()),
        Host::Tcp(_) => None,
    });
    Ok((builder.server(&server), folder))
}

/// What there is on a server apart from complete templates.
#[derive(Debug, Default)]
pub(crate) struct Left {
    databases: BTreeSet<String>,
    templates: BTreeSet<String>,
    sessions: BTreeSet<String>,
}

impl Left {
    /// Looks at the databases whose names are like this.
    pub(crate) async fn of(client: &Client, like: &str) -> Result<Self, BoxError> {
        let mut left = Self::default();
        let pattern = format!("{like}%");
        for row in client.query(DATABASES, &[&pattern]).await? {
            let (name, is_template): (String, bool) = (row.get(0), row.get(1));
            if is_template {
                left.templates.insert(name)
            } else {
                left.databases.insert(name)
            };
        }
        left.sessions = client.query(SESSIONS, &[]).await?.iter().map(|row| row.get(0)).collect();
        Ok(left)
    }

    /// Whether there is one template and nothing else.
    pub(crate) fn is_nothing(&self) -> bool {
        self.templates.len() == 1 && self.databases.is_empty() && self.sessions.is_empty()
    }
}

const DATABASES: &str =
    "SELECT datname::text, datistemplate AND NOT datallowconn FROM pg_database WHERE datname LIKE $1";

/// In this database, others may have theirs.
const SESSIONS: &str = "SELECT concat_ws(' ', pid, application_name, state, left(query, 100)) FROM pg_stat_activity \
    WHERE backend_type = 'client backend' AND datname = current_database() AND pid <> pg_backend_pid()";

pub(crate) async fn connect(config: &Config) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn wait(began: Instant, what: impl FnOnce() -> String) -> Result<(), BoxError> {
    if began.elapsed() > PATIENCE {
        return Err(format!("not gone after {PATIENCE:?}: {}", what()).into());
    }
    tokio::time::sleep(Duration::from_millis(10)).await;
    Ok(())
}
