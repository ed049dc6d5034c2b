use std::{
    fmt, fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::OnceCell;
use tokio_postgres::{Config, config::Host};

use crate::{
    builder::{Builder, Launched},
    database::Database,
    error::{Error, Fault},
    files::{self, Place},
    home::Home,
    process::{self, Process},
    session::{self, Facts},
    shared::{Address, Hold},
    url::{with_database, with_search_path},
    will::Will,
};

/// A PostgreSQL server for tests: one of our own that ends with us, or the one that `DATABASE_URL` names.
///
/// Clones, and the [`Database`]s on it, share the server. One of our own stops when the last of them is dropped (in
/// the background), when [`stop`](Self::stop) is called, or when the process ends in whatever way. It is not tied to the
/// runtime that started it.
#[derive(Clone, Debug)]
pub struct Server {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    origin: Origin,
    facts: Facts,
    bin_dir: Option<PathBuf>,
    config: Config,
    access: Access,
    home: OnceCell<Arc<Home>>,
}

/// The server of [`Server::of_tests`]. Tests are functions without a common owner: what they share stands in a static, and
/// ends with the process.
static OF_TESTS: OnceCell<Server> = OnceCell::const_new();

/// How the server is reached, and whether it is ours to stop.
enum Access {
    /// `url` is that of the maintenance database, without the name of the database.
    Own {
        process: Mutex<Option<Process>>,
        url: String,
    },
    /// Other processes may use it too. What is held keeps it running.
    Shared {
        hold: Mutex<Option<Hold>>,
        url: String,
    },
    Theirs {
        url: String,
    },
}

impl fmt::Debug for Access {
    /// Without the URL: there is a password in it, and tests print what they compare and log what they are given.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = match self {
            Self::Own { .. } => "Own",
            Self::Shared { .. } => "Shared",
            Self::Theirs { .. } => "Theirs",
        };
        f.debug_struct(access).finish_non_exhaustive()
    }
}

impl Server {
    /// Starts a server, or uses that of `DATABASE_URL`; see the [crate's documentation](crate) for the details.
    ///
    /// # Errors
    /// As [`Builder::start`].
    ///
    /// # Cancel safety
    /// As [`Builder::start`]: nothing is left behind.
    pub async fn start() -> Result<Self, Error> {
        Self::builder().start().await
    }

    /// Returns the server that all tests of this user and project share, in this process and in others: `DATABASE_URL`'s
    /// if that is set, else one that whoever comes first starts. See [`Builder::shared`](Builder::shared).
    ///
    /// # Errors
    /// As [`Builder::start`].
    ///
    /// # Cancel safety
    /// As [`Builder::start`]: nothing is left behind.
    pub async fn shared() -> Result<Self, Error> {
        Self::builder().shared().start().await
    }

    /// Returns a builder, for a server that is like no other.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Creates an empty database with a unique name.
    ///
    /// # Errors
    /// [`ErrorKind::Database`](crate::ErrorKind::Database) if the server refuses.
    ///
    /// # Cancel safety
    /// Nothing is left: a database that was being made then serves the next who asks.
    pub async fn create_database(&self) -> Result<Database, Error> {
        Database::create(self, &self.home().await?).await
    }

    /// Returns how to connect to the maintenance database: through the socket if the server is our own.
    pub fn config(&self) -> Config {
        self.config_ref().clone()
    }

    /// Returns the URL of the maintenance database, with the password: through TCP if the server is our own.
    pub fn url(&self) -> String {
        match &self.inner.access {
            Access::Own { url, .. } | Access::Shared { url, .. } => format!("{url}postgres"),
            Access::Theirs { url } => url.clone(),
        }
    }

    /// Returns the version as people write it, for example `15.18`.
    pub fn version(&self) -> &str {
        &self.inner.facts.version
    }

    /// Returns the version as `server_version_num` has it, for example 150018.
    pub fn version_num(&self) -> u32 {
        self.inner.facts.version_num
    }

    /// Returns the folder of the server's own binaries, if it is our own. Whether `pg_dump` and other
    /// clients are there depends on where it came from.
    pub fn bin_dir(&self) -> Option<&Path> {
        self.inner.bin_dir.as_deref()
    }

    /// Returns where the server came from and where it runs, for people.
    pub fn origin(&self) -> &Origin {
        &self.inner.origin
    }

    /// Stops the server if it is our own, and returns when it is gone with all its data. A shared one is only let go: it
    /// stops when nobody uses it any more.
    ///
    /// The databases and clones that there still are become useless.
    ///
    /// # Errors
    /// [`ErrorKind::File`](crate::ErrorKind::File) if the end of the server can't be awaited.
    ///
    /// # Cancel safety
    /// A drop only ends the waiting.
    pub async fn stop(self) -> Result<(), Error> {
        let process = match &self.inner.access {
            Access::Own { process, .. } => process,
            Access::Shared { hold, .. } => {
                hold.lock().unwrap_or_else(PoisonError::into_inner).take();
                return Ok(());
            }
            Access::Theirs { .. } => return Ok(()),
        };
        let taken = process.lock().unwrap_or_else(PoisonError::into_inner).take();
        match taken {
            Some(process) => tokio::task::spawn_blocking(|| process.stop()).await.map_err(|_| Fault::Lost)?,
            None => Ok(()),
        }
    }

    pub(crate) fn owned(launched: Launched, facts: Facts) -> Self {
        let Launched { process, installation, place } = launched;
        let from = installation.bin().to_owned();
        let origin = Origin::own(&facts.version, &from, place, process.folder());
        let (config, url) = (process.config(), process.url());
        let access = Access::Own { process: Mutex::new(Some(process)), url };
        Self {
            inner: Arc::new(Inner {
                origin,
                facts,
                bin_dir: Some(from),
                config,
                access,
                home: OnceCell::new(),
            }),
        }
    }

    pub(crate) fn shared_at(address: Address, hold: Hold) -> Self {
        let Address { folder, port, password, facts, bin, place } = address;
        let origin = Origin::own(&facts.version, &bin, place, &folder);
        let access = Access::Shared { hold: Mutex::new(Some(hold)), url: process::url(port, &password) };
        let config = process::config(&folder, port);
        Self {
            inner: Arc::new(Inner {
                origin,
                facts,
                bin_dir: Some(bin),
                config,
                access,
                home: OnceCell::new(),
            }),
        }
    }

    /// Uses the server at the URL.
    pub(crate) async fn at(url: String) -> Result<Self, Error> {
        let config: Config = url.parse().map_err(|source| Fault::Url { source })?;
        let place = place(&config);
        let facts = session::introduce(&config, None).await.map_err(|source| Fault::Connect {
            to: format!("the server of DATABASE_URL ({place})"),
            source,
        })?;
        let origin = Origin { text: format!("PostgreSQL {} of DATABASE_URL, at {place}", facts.version) };
        Ok(Self {
            inner: Arc::new(Inner {
                origin,
                facts,
                bin_dir: None,
                config,
                access: Access::Theirs { url },
                home: OnceCell::new(),
            }),
        })
    }

    /// The server that the tests of this process share with each other and with those of other processes.
    pub(crate) async fn of_tests() -> Result<Self, Error> {
        OF_TESTS.get_or_try_init(Self::shared).await.cloned()
    }

    /// What this process has on the server.
    pub(crate) async fn home(&self) -> Result<Arc<Home>, Error> {
        let open = async || {
            let will = match &self.inner.access {
                Access::Theirs { url } => {
                    Some(Will::find_or_make(url, &self.inner.config, &self.inner.facts).await?)
                }
                Access::Own { .. } | Access::Shared { .. } => None,
            };
            Home::open(self.inner.config.clone(), self.inner.facts.clone(), will).await
        };
        self.inner.home.get_or_try_init(open).await.cloned()
    }

    /// Keeps a shared server running for a while after its last user has gone.
    pub(crate) fn keep_running(&self) {
        if let Access::Shared { .. } = self.inner.access
            && let Some(Host::Unix(folder)) = self.inner.config.get_hosts().first()
            && let Err(error) = fs::write(folder.join(files::KEPT), "")
        {
            tracing::debug!(%error, "the server will not outlive its last user");
        }
    }

    /// For how long a database that is kept can be looked at, for people.
    pub(crate) fn keeps_until(&self) -> &'static str {
        match self.inner.access {
            Access::Own { .. } => "until its server is stopped, with this process at the latest",
            Access::Shared { .. } => "until an hour after the last test has ended",
            Access::Theirs { .. } => "for a day",
        }
    }

    pub(crate) fn facts(&self) -> &Facts {
        &self.inner.facts
    }

    pub(crate) fn config_ref(&self) -> &Config {
        &self.inner.config
    }

    /// The URL of the maintenance database, with a schema that comes before `public`.
    pub(crate) fn url_with_search_path(&self, schema: &str) -> String {
        with_search_path(&self.url(), schema)
    }

    /// The URL of another database of this server.
    pub(crate) fn url_of(&self, database: &str) -> String {
        match &self.inner.access {
            Access::Own { url, .. } | Access::Shared { url, .. } => format!("{url}{database}"),
            Access::Theirs { url } => with_database(url, database),
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.origin().fmt(f)
    }
}

/// Where a server came from and where it runs, for people:
/// `PostgreSQL 15.18 from /usr/lib/postgresql/15/bin, data in memory, socket /dev/shm/dunlin-x1y2z3/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    text: String,
}

impl Origin {
    fn own(version: &str, bin: &Path, place: Place, folder: &Path) -> Self {
        let data = if place == Place::Memory { "in memory" } else { "on disk" };
        let text =
            format!("PostgreSQL {version} from {}, data {data}, socket {}/", bin.display(), folder.display());
        Self { text }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Host, port and database of a configuration: no password, no user.
fn place(config: &Config) -> String {
    let hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        })
        .collect();
    let port = config.get_ports().first().map_or_else(String::new, |port| format!(":{port}"));
    format!("{}{port}/{}", hosts.join(","), config.get_dbname().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_server_has_no_secret_in_it() {
        let config: Config = "postgres://me:secret@here:5433/one".parse().unwrap();

        assert_eq!(place(&config), "here:5433/one");
    }
}
