use std::{fmt, io, path::PathBuf};

/// What went wrong with a throw-away server or a database on it.
///
/// The text says what to do about it; [`source`](std::error::Error::source) has the cause. `Debug`, which is what `unwrap`
/// prints, is the text with all causes.
#[derive(thiserror::Error)]
#[error(transparent)]
pub struct Error(#[from] Box<Fault>);

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            write!(f, "\n  because: {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// The kinds of [`Error`], for branching.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no PostgreSQL that could be started, and none could be provisioned.
    NoServer,
    /// A setting, a version or an environment variable is not valid.
    Setting,
    /// The server was found, but could not be started.
    Start,
    /// The server does not answer, or refuses the connection.
    Connect,
    /// The server refused to create or to drop a database.
    Database,
    /// A migration or a fixture failed while a template database was made.
    Migration,
    /// The server did not tell what a database holds.
    Schema,
    /// A file or a folder could not be read or written.
    File,
}

impl Error {
    /// Returns which kind of error this is.
    pub fn kind(&self) -> ErrorKind {
        match *self.0 {
            Fault::NoServer { .. } | Fault::NoAccount => ErrorKind::NoServer,
            Fault::SettingName { .. }
            | Fault::SettingValue { .. }
            | Fault::Variable { .. }
            | Fault::Url { .. } => ErrorKind::Setting,
            Fault::InitDb { .. } | Fault::Ended { .. } | Fault::NotReady { .. } | Fault::Lost => {
                ErrorKind::Start
            }
            Fault::Connect { .. } | Fault::Dial { .. } => ErrorKind::Connect,
            Fault::Create { .. } | Fault::CreateSchema { .. } | Fault::Drop { .. } | Fault::Ask { .. } => {
                ErrorKind::Database
            }
            Fault::Migration { .. } | Fault::Fixture { .. } => ErrorKind::Migration,
            Fault::Schema { .. } => ErrorKind::Schema,
            Fault::File { .. } => ErrorKind::File,
        }
    }

    /// Returns whether the server ended because somebody else had taken its port.
    pub(crate) fn is_port_taken(&self) -> bool {
        matches!(&*self.0, Fault::Ended { log } if log.contains("could not bind IPv4 address"))
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self(Box::new(fault))
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(
        "no {wanted} to start a server from; install PostgreSQL (`initdb` and `postgres`), or set DATABASE_URL to a \
         server that may be used for tests; tried:{}",
        Lines(.attempts)
    )]
    NoServer { wanted: String, attempts: Vec<Attempt> },

    #[error(
        "PostgreSQL does not run as root, and /etc/passwd has neither `postgres` nor `nobody` to run it as; start \
         this program as another user, or set DATABASE_URL"
    )]
    NoAccount,

    #[error(
        "{name:?} is not the name of a PostgreSQL setting; names are letters, digits, underscores and dots"
    )]
    SettingName { name: String },

    #[error("the value of the setting `{name}` has a line break or a NUL in it; write it on one line")]
    SettingValue { name: String },

    #[error("the environment variable {name} is {value:?}; it must be {wanted}")]
    Variable { name: &'static str, value: String, wanted: &'static str },

    #[error(
        "DATABASE_URL is not a PostgreSQL connection string; correct it, or unset it to get a throw-away server"
    )]
    Url { source: tokio_postgres::Error },

    #[error("`{command}` failed; it said:{}", Lines(.said.lines()))]
    InitDb { command: String, said: String },

    #[error("the server ended while it started; the end of its log:{}", Lines(.log.lines()))]
    Ended { log: String },

    #[error("the server did not answer within {seconds} s; is this machine overloaded? the end of its log:{}", Lines(.log.lines()))]
    NotReady { seconds: u64, log: String, source: tokio_postgres::Error },

    #[error(
        "the task that starts the server was cancelled; keep the runtime alive until `start` has returned"
    )]
    Lost,

    #[error("could not connect to {to}; see that the server runs and takes this role and database")]
    Connect { to: String, source: tokio_postgres::Error },

    #[error("could not reach the server's socket; see that the server runs")]
    Dial { source: io::Error },

    #[error("could not create the database {name}; does the role have CREATEDB?")]
    Create { name: String, source: tokio_postgres::Error },

    #[error(
        "could not create the schema {name}; may the role create schemas in the database of DATABASE_URL?"
    )]
    CreateSchema { name: String, source: tokio_postgres::Error },

    #[error("could not drop {name}; drop it by hand, or stop the server")]
    Drop { name: String, source: tokio_postgres::Error },

    #[error(
        "the maintenance database did not answer as expected; see that the server runs and takes this role"
    )]
    Ask { source: tokio_postgres::Error },

    #[error("the migrations could not be applied to a test database")]
    Migration { source: dunlin_core::Error },

    #[error("the fixture {place} failed on a test database")]
    Fixture { place: String, source: tokio_postgres::Error },

    #[error(
        "could not read what the database holds; see that the connection lives and that no transaction has failed on it"
    )]
    Schema { source: tokio_postgres::Error },

    #[error("could not {doing} {}; see that it may be written by this user and that the disk has room", .path.display())]
    File { doing: &'static str, path: PathBuf, source: io::Error },
}

impl Fault {
    /// Turns an I/O error into a fault that says what was being done to which path.
    pub(crate) fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Self::File { doing, path, source }.into()
    }
}

/// One place or one way that was tried in vain.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) what: String,
    pub(crate) why: String,
}

impl Attempt {
    pub(crate) fn new(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into() }
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

/// Items on lines of their own, indented.
struct Lines<T>(T);

impl<T> fmt::Display for Lines<T>
where
    T: Clone + IntoIterator,
    T::Item: fmt::Display,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.clone().into_iter().try_for_each(|item| write!(f, "\n  {item}"))
    }
}
