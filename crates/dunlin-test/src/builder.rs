use std::{
    env, fmt,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use crate::{
    account::Account,
    cluster::Cluster,
    error::{Attempt, Error, Fault},
    files,
    installation::{self, Installation},
    process::{Process, Sharing},
    provision::Provision,
    server::Server,
    session::Facts,
    shared,
    source::Source,
    version::OLDEST,
    workspace::Workspace,
};

/// How often a start is tried again when somebody else takes the port first.
const PORTS: usize = 5;

/// What a [`Server`] shall be like.
///
/// A builder that asks for something particular ([`version`](Self::version), [`setting`](Self::setting),
/// [`durable`](Self::durable), [`source`](Self::source)) starts a server of its own, whatever `DATABASE_URL` says.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), dunlin_test::Error> {
/// let server = dunlin_test::Server::builder()
///     .setting("wal_level", "logical")
///     .on_progress(|what| println!("{what}"))
///     .start()
///     .await?;
/// # server.stop().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until `start`"]
pub struct Builder {
    source: Option<Source>,
    version: Option<u32>,
    durability: Durability,
    settings: Vec<Setting>,
    sharing: Sharing,
    progress: Progress,
}

impl Builder {
    /// Asks for this major version, for example 17.
    pub fn version(self, major: u32) -> Self {
        Self { version: Some(major), ..self }
    }

    /// Says where the binaries come from, instead of `DUNLIN_POSTGRES`.
    pub fn source(self, source: Source) -> Self {
        Self { source: Some(source), ..self }
    }

    /// Sets a setting of `postgresql.conf`; of two values for one name, the last one counts.
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push(Setting { name: name.into(), value: value.into() });
        self
    }

    /// Keeps the data on disk, with `fsync` on, as a server in production does.
    pub fn durable(self) -> Self {
        Self { durability: Durability::On, ..self }
    }

    /// Shares the server with everybody on this machine who asks for the same one, in this process and in others of this
    /// user and project: who comes first starts it, the others find it. It stops two seconds after the last one has ended,
    /// however that came.
    pub fn shared(self) -> Self {
        Self { sharing: Sharing::Shared, ..self }
    }

    /// Tells the function in a few words about every step that may take long: what is downloaded, from which
    /// package, to where. The same goes to [`tracing`] at level `info`.
    pub fn on_progress(self, tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self { progress: Progress(Some(Arc::new(tell))), ..self }
    }

    /// Starts the server, and returns when it takes connections.
    ///
    /// # Errors
    /// [`ErrorKind::NoServer`](crate::ErrorKind::NoServer) if there is nothing to start, with everything that was tried;
    /// other kinds if the server does not start, or if `DATABASE_URL` does not lead to one.
    ///
    /// # Cancel safety
    /// A drop leaves nothing behind: what had been started by then is stopped and removed in the background. A
    /// download goes on to its end, and serves the next start.
    pub async fn start(self) -> Result<Server, Error> {
        if let Some(url) = self.url() {
            return Server::at(url).await;
        }
        let options = self.complete()?;
        match options.sharing {
            Sharing::Private => {
                let (launched, facts) = options.begin().await?;
                Ok(Server::owned(launched, facts))
            }
            Sharing::Shared => shared::find_or_start(&options).await,
        }
    }

    /// Starts a server, and returns when it takes connections.
    pub(crate) async fn begin(&self) -> Result<(Launched, Facts), Error> {
        let mut tries = 1..PORTS;
        loop {
            let options = self.clone();
            let launched =
                tokio::task::spawn_blocking(move || options.launch()).await.map_err(|_| Fault::Lost)??;
            match launched.process.ready().await {
                Ok(facts) => return Ok((launched, facts)),
                Err(error) if error.is_port_taken() && tries.next().is_some() => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// `DATABASE_URL`, unless something was asked for that the server there may not be.
    fn url(&self) -> Option<String> {
        let particular = self.source.is_some()
            || self.version.is_some()
            || self.durability == Durability::On
            || !self.settings.is_empty();
        env::var("DATABASE_URL").ok().filter(|url| !particular && !url.is_empty())
    }

    /// Fills in what the environment says, and checks what the caller says.
    fn complete(mut self) -> Result<Self, Error> {
        self.settings.iter().try_for_each(Setting::check)?;
        if self.source.is_none() {
            self.source = Some(Source::from_env()?);
        }
        if self.version.is_none()
            && let Some(value) = env::var("DUNLIN_POSTGRES_VERSION").ok().filter(|value| !value.is_empty())
        {
            let wanted = "a major version of PostgreSQL, for example 17";
            let major = value.parse().ok().filter(|major| *major >= OLDEST);
            self.version =
                Some(major.ok_or(Fault::Variable { name: "DUNLIN_POSTGRES_VERSION", value, wanted })?);
        }
        Ok(self)
    }

    /// What decides whether two servers are alike, as a name for files.
    pub(crate) fn likeness(&self) -> String {
        let mut hasher = DefaultHasher::new();
        (&self.source, self.version, self.durability, &self.settings).hash(&mut hasher);
        env!("CARGO_PKG_VERSION").hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }

    /// Finds or provisions the binaries, and starts them on a new data directory.
    fn launch(self) -> Result<Launched, Error> {
        let account = Account::for_server()?;
        files::sweep(&account);
        let installation = self.installation(&account)?;
        let cluster = Cluster::create(&installation, &account, self.durability, &self.settings)?;
        let place = cluster.place;
        let process = Process::spawn(cluster, &installation, &account, self.sharing)?;
        Ok(Launched { process, installation, place })
    }

    fn installation(&self, account: &Account) -> Result<Installation, Error> {
        let workspace = Workspace::find(account);
        let source = self.source.clone().unwrap_or_default();
        let folders = match &source {
            Source::Any | Source::Installed => [installation::installed(), workspace.provisioned()].concat(),
            Source::Provisioned => workspace.provisioned(),
            Source::Folder(folder) => vec![folder.clone()],
        };
        let mut attempts = match Installation::first_of(folders, self.version, account) {
            Ok(found) => return Ok(found),
            Err(attempts) => attempts,
        };
        if matches!(source, Source::Any | Source::Provisioned) {
            let wanted = self.version;
            let provision = Provision { workspace: &workspace, account, wanted, progress: &self.progress };
            match provision.run()? {
                Ok(found) => return Ok(found),
                Err(more) => attempts.extend(more),
            }
        }
        if attempts.is_empty() {
            attempts.push(Attempt::new(
                "PATH, pg_config and the folders of the usual packages",
                "no `initdb` there",
            ));
        }
        let wanted =
            self.version.map_or_else(|| "PostgreSQL".to_owned(), |major| format!("PostgreSQL {major}"));
        Err(Fault::NoServer { wanted, attempts }.into())
    }
}

/// What [`Builder::launch`] has started; it may not answer yet.
#[derive(Debug)]
pub(crate) struct Launched {
    pub(crate) process: Process,
    pub(crate) installation: Installation,
    pub(crate) place: files::Place,
}

/// Whether the data must survive a crash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Durability {
    #[default]
    Off,
    On,
}

/// One line of `postgresql.conf`.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Setting {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl Setting {
    fn check(&self) -> Result<(), Error> {
        let name = self.name.clone();
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        if name.is_empty() || !name.chars().all(word) {
            return Err(Fault::SettingName { name }.into());
        }
        if self.value.contains(['\n', '\r', '\0']) {
            return Err(Fault::SettingValue { name }.into());
        }
        Ok(())
    }
}

/// Whom to tell what takes long.
#[derive(Clone, Default)]
pub(crate) struct Progress(Option<Arc<Tell>>);

type Tell = dyn Fn(&str) + Send + Sync;

impl Progress {
    pub(crate) fn say(&self, what: &str) {
        tracing::info!("{what}");
        if let Some(tell) = &self.0 {
            tell(what);
        }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Progress(..)" } else { "Progress" })
    }
}
