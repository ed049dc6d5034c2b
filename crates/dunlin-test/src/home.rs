use std::{
    collections::{BTreeSet, HashMap},
    num::NonZero,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use tokio::sync::{Mutex as AsyncMutex, OnceCell, Semaphore};
use tokio_postgres::{Client, Config, error::SqlState};

use crate::{
    blueprint::Blueprint,
    copies::{Copies, Shelf},
    error::{Error, Fault},
    files,
    home_sql::{self, HomeFacts, Kind, Strategy},
    isolation::Isolation,
    keep,
    keeper::Keeper,
    manifest::Manifest,
    names::Key,
    session::Facts,
    sweep,
    template::Template,
    will::Will,
};

/// How many databases are made at the same time, where there are not more processors: copies that are made at once share their
/// checkpoints.
const MADE_AT_ONCE: usize = 8;

/// How many databases are dropped at the same time: nobody waits for it, and each takes a connection.
const DROPS_AT_ONCE: usize = 2;

/// What this process has on one server: a connection whose advisory locks are the process' signs of life, and the names of the
/// databases and schemas that it has.
///
/// Every database that the process has is locked by its name. The locks end with the process however it ends, and with the
/// server: a database whose lock is free belongs to nobody, and who needs one may take it over.
#[derive(Debug)]
pub(crate) struct Home {
    config: Config,
    server: Facts,
    facts: HomeFacts,
    keeper: Keeper,
    /// What is dropped in the end, on a server that does not end with us.
    will: Option<Will>,
    life: AsyncMutex<Arc<Client>>,
    /// Held while somebody takes over a database of the dead: a lock is granted anew to the connection that has it.
    adopting: AsyncMutex<()>,
    /// Connections that are not at work: creating and dropping would hold up who asks for a lock.
    makers: Mutex<Vec<Client>>,
    making: Semaphore,
    dropping: Semaphore,
    /// All that this process has, at work or free.
    owned: Mutex<BTreeSet<String>>,
    shelves: Mutex<HashMap<Key, Arc<OnceCell<Arc<Shelf>>>>>,
    /// Behind what is random about the names.
    counter: AtomicU64,
}

impl Home {
    /// Connects, and begins to sweep what the dead have left.
    pub(crate) async fn open(config: Config, server: Facts, will: Option<Will>) -> Result<Arc<Self>, Error> {
        let keeper = Keeper::start().map_err(Fault::file("start", "a thread"))?;
        let asked = |source| Fault::Ask { source };
        let life = connect(&keeper, &config, &server).await?;
        let mut facts = home_sql::facts(&life, server.version_num).await.map_err(asked)?;
        if let Some(will) = &will {
            facts.names = facts.names.among(will.token());
        }
        let processors = thread::available_parallelism().map_or(2, NonZero::get);
        let random = u64::from_str_radix(files::random_digits()?.get(..16).unwrap_or_default(), 16);
        let home = Arc::new(Self {
            config,
            server,
            facts,
            keeper,
            will,
            life: AsyncMutex::new(Arc::new(life)),
            adopting: AsyncMutex::default(),
            makers: Mutex::default(),
            making: Semaphore::new(processors.max(MADE_AT_ONCE)),
            dropping: Semaphore::new(DROPS_AT_ONCE),
            owned: Mutex::default(),
            shelves: Mutex::default(),
            counter: AtomicU64::new(random.unwrap_or_default()),
        });
        if !home.facts.can_create {
            tracing::warn!(
                "the role may not create databases: each test gets a schema; see `Isolation::Schema` for what that does not keep apart"
            );
        }
        let sweeping = Arc::downgrade(&home);
        home.keeper.spawn(async move {
            if let Some(home) = sweeping.upgrade() {
                sweep::sweep(&home).await;
            }
        });
        Ok(home)
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) fn facts(&self) -> &HomeFacts {
        &self.facts
    }

    /// The connection that holds the locks. If somebody has cut it, another takes them again: a test may end sessions that
    /// are none of its own.
    pub(crate) async fn life(&self) -> Result<Arc<Client>, Error> {
        let mut life = self.life.lock().await;
        if life.is_closed() {
            let client = self.connect().await?;
            for name in self.owned() {
                let is_ours = home_sql::try_lock(&client, &name).await;
                if !is_ours.map_err(|source| Fault::Ask { source })? {
                    tracing::warn!(
                        name,
                        "somebody else has taken over a test database after a connection was cut"
                    );
                    self.disown(&name);
                }
            }
            *life = Arc::new(client);
        }
        Ok(life.clone())
    }

    /// Another connection to the maintenance database.
    pub(crate) async fn connect(&self) -> Result<Client, Error> {
        connect(&self.keeper, &self.config, &self.server).await
    }

    /// What keeps tests apart where they do not say.
    pub(crate) fn isolation(&self) -> Isolation {
        if self.facts.can_create { Isolation::Database } else { Isolation::Schema }
    }

    /// How a database is copied most quickly. Copying files makes two checkpoints and brings each file to the disk, which is dear
    /// with `fsync` and next to nothing without: 2 s against 0.1 s through the log for 10 MB on a slow disk, 0.35 s against 1.0 s
    /// for 217 MB without `fsync` (PostgreSQL 18, XFS), and 0.08 s where blocks are shared.
    pub(crate) fn strategy(&self, manifest: &Manifest) -> Strategy {
        match self.server {
            Facts { version_num: ..150_000, .. } => Strategy::Default,
            Facts { has_fsync: true, .. } => Strategy::WalLog,
            Facts { has_fsync: false, .. } if manifest.can_share_blocks => Strategy::FileClone,
            Facts { has_fsync: false, .. } => Strategy::FileCopy,
        }
    }

    /// Finds out whether the file system under a finished template can share blocks: by trying it.
    pub(crate) async fn can_share_blocks(&self, builder: &Client, key: Key, template: &str) -> bool {
        if self.server.version_num < 180_000 || self.server.has_fsync {
            return false;
        }
        let probe = self.new_name(key);
        let created = home_sql::create(builder, &probe, template, Strategy::FileClone).await.is_ok();
        created && home_sql::drop(builder, Kind::Database, &probe).await.is_ok()
    }

    /// Gives the copies of a template, and builds the template if nobody has.
    pub(crate) async fn copies(self: &Arc<Self>, blueprint: &Blueprint) -> Result<Copies, Error> {
        let key = blueprint.key(&self.server);
        let cell = locked(&self.shelves).entry(key).or_default().clone();
        let shelf = async || Template::find_or_build(self, key, blueprint).await.map(Shelf::of);
        let shelf = cell.get_or_try_init(shelf).await?;
        Ok(Copies::new(self, shelf))
    }

    /// Gives the copies of nothing.
    pub(crate) async fn empty(self: &Arc<Self>) -> Copies {
        let cell = locked(&self.shelves).entry(Key::Empty).or_default().clone();
        let shelf = cell.get_or_init(async || Shelf::of(Template::empty())).await;
        Copies::new(self, shelf)
    }

    /// Lets the future run, whatever becomes of the runtime of the caller.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.keeper.spawn(work);
    }

    /// Notes that somebody may want to look at a database when this process has ended, and drops the one that the same test
    /// has left before. Returns when that is done.
    pub(crate) fn keep(self: &Arc<Self>, kind: Kind, name: &str, test: &str) {
        let (home, name, test) = (self.clone(), name.to_owned(), test.to_owned());
        if let Some(will) = &self.will {
            will.remove(&name);
        }
        let (done, is_done) = mpsc::channel();
        self.keeper.spawn(async move {
            if let Err(error) = keep::keep(&home, kind, &name, &test).await {
                tracing::debug!(%error, name, "could not note that a test database is kept");
            }
            let _ = done.send(());
        });
        let _ = is_done.recv_timeout(PATIENCE);
    }

    /// Makes a copy of the template. Nobody else has it.
    pub(crate) async fn create(&self, template: &Template) -> Result<String, Error> {
        let _permit = self.making.acquire().await.map_err(|_| Fault::Lost)?;
        let name = self.new_name(template.key());
        let failed = |source| Fault::Create { name: name.clone(), source };
        let maker = self.maker().await?;
        self.claim(Kind::Database, &name, failed).await?;
        let strategy = self.strategy(template.manifest());
        let created = async {
            home_sql::create(&maker, &name, template.name(), strategy).await?;
            template.settings().apply(&maker, &name).await
        };
        if let Err(source) = created.await {
            self.disown(&name);
            return Err(failed(source).into());
        }
        self.rest(maker);
        Ok(name)
    }

    /// Creates a schema that nobody else has, in the maintenance database.
    pub(crate) async fn create_schema(&self, key: Key) -> Result<String, Error> {
        let name = self.new_name(key);
        let failed = |source| Fault::CreateSchema { name: name.clone(), source };
        let maker = self.maker().await?;
        self.claim(Kind::Schema, &name, failed).await?;
        home_sql::create_schema(&maker, &name).await.map_err(failed)?;
        self.rest(maker);
        Ok(name)
    }

    /// Takes over what somebody who has died has left of this template's copies.
    pub(crate) async fn adopt(&self, template: &Template) -> Result<Option<String>, Error> {
        let _alone = self.adopting.lock().await;
        let prefix = self.facts.names.prefix(template.key());
        let adopted = home_sql::adopt(&*self.life().await?, &prefix, &self.owned()).await;
        let adopted = adopted.map_err(|source| Fault::Ask { source })?;
        if let Some(name) = &adopted {
            self.own(name);
        }
        Ok(adopted)
    }

    /// Whether a used copy of the template may come back.
    pub(crate) fn comes_back(&self, template: &Template) -> bool {
        self.facts.has_counters && template.is_cleanable()
    }

    /// Drops a database or a schema in the background.
    pub(crate) fn discard(self: &Arc<Self>, kind: Kind, name: String) {
        let home = self.clone();
        self.spawn(async move {
            if let Err(error) = home.remove(kind, &name).await {
                tracing::debug!(%error, name, "could not drop what a test had");
            }
        });
    }

    /// Drops a database or a schema, and its lock with it.
    pub(crate) async fn remove(&self, kind: Kind, name: &str) -> Result<(), Error> {
        let failed = |source| Fault::Drop { name: name.to_owned(), source };
        let _permit = self.dropping.acquire().await.map_err(|_| Fault::Lost)?;
        let maker = self.maker().await?;
        home_sql::condemn(&maker, name).await.map_err(failed)?;
        let dropped = match home_sql::drop(&maker, kind, name).await {
            // A test has made a template of it.
            Err(error) if error.code() == Some(&SqlState::WRONG_OBJECT_TYPE) => {
                home_sql::drop_template(&maker, name).await
            }
            dropped => dropped,
        };
        dropped.map_err(failed)?;
        home_sql::is_gone(&maker, name).await.map_err(failed)?;
        self.rest(maker);
        home_sql::unlock(&*self.life().await?, name).await.map_err(failed)?;
        if let Some(will) = &self.will {
            will.remove(name);
        }
        self.disown(name);
        Ok(())
    }

    /// A connection to create and drop with.
    pub(crate) async fn maker(&self) -> Result<Client, Error> {
        let resting = locked(&self.makers).pop().filter(|maker| !maker.is_closed());
        match resting {
            Some(maker) => Ok(maker),
            None => self.connect().await,
        }
    }

    /// Lays a connection up that nothing runs on.
    pub(crate) fn rest(&self, maker: Client) {
        locked(&self.makers).push(maker);
    }

    /// Whether this process still has it.
    pub(crate) fn owns(&self, name: &str) -> bool {
        locked(&self.owned).contains(name)
    }

    /// Takes the lock of what there is to be: before there is anything that others would take for left by the dead.
    async fn claim(
        &self,
        kind: Kind,
        name: &str,
        failed: impl Fn(tokio_postgres::Error) -> Fault,
    ) -> Result<(), Error> {
        if let Some(will) = &self.will {
            will.add(kind, name)?;
        }
        // From here on nobody of this process takes it for one that the dead have left.
        self.own(name);
        match home_sql::try_lock(&*self.life().await?, name).await.map_err(failed)? {
            true => Ok(()),
            false => {
                self.disown(name);
                Err(Fault::Lost.into())
            }
        }
    }

    fn own(&self, name: &str) {
        locked(&self.owned).insert(name.to_owned());
    }

    fn disown(&self, name: &str) {
        locked(&self.owned).remove(name);
    }

    fn owned(&self) -> Vec<String> {
        locked(&self.owned).iter().cloned().collect()
    }

    fn new_name(&self, key: Key) -> String {
        // Multiplied by an odd number, so that names that are made one after another do not look alike.
        let count = self.counter.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.facts.names.database(key, count)
    }
}

/// How long the end of a test may take for what has to be done before its process may end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connects to the maintenance database, for as long as it takes: a server may end sessions that have nothing to do.
async fn connect(keeper: &Keeper, config: &Config, server: &Facts) -> Result<Client, Error> {
    let client = keeper.connect(config, "the maintenance database").await?;
    let lasting = home_sql::without_timeouts(&client, server.version_num).await;
    lasting.map(|()| client).map_err(|source| Fault::Ask { source }.into())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
