use std::{
    collections::HashMap,
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
    error::{Error, Fault},
    files,
    home_sql::{self, HomeFacts, Kind, Strategy},
    isolation::Isolation,
    keep,
    keeper::Keeper,
    manifest::Manifest,
    names::Key,
    session::Facts,
    stock::{Ready, Stock},
    sweep,
    template::Template,
    turn::Turn,
    will::Will,
};

/// How many databases are made ahead of need, unless somebody says otherwise.
pub(crate) const AHEAD: usize = 2;

/// How many databases are made at the same time, where there are not more processors: copies that are made at once share their
/// checkpoints.
const MADE_AT_ONCE: usize = 8;

/// How many databases are dropped at the same time: nobody waits for it, and each takes a connection.
const DROPS_AT_ONCE: usize = 2;

/// Where a database may come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum From {
    /// From this process, new or used, or from one that has ended.
    Anybody,
    /// From this process.
    Ours,
}

/// What this process has on one server: a connection whose advisory locks are the process' signs of life, the templates
/// that it knows and the databases that it has.
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
    stocks: Mutex<HashMap<Key, Stock>>,
    templates: Mutex<HashMap<Key, Arc<OnceCell<Arc<Template>>>>>,
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
            stocks: Mutex::default(),
            templates: Mutex::default(),
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
            let ours: Vec<String> = locked(&self.stocks).values().flat_map(Stock::ours).collect();
            for name in ours {
                home_sql::try_lock(&client, &name).await.map_err(|source| Fault::Ask { source })?;
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

    /// Gives the template, and builds it if nobody has.
    pub(crate) async fn template(&self, blueprint: &Blueprint) -> Result<Arc<Template>, Error> {
        let key = blueprint.key(&self.server);
        let cell = locked(&self.templates).entry(key).or_default().clone();
        cell.get_or_try_init(|| Template::find_or_build(self, key, blueprint)).await.cloned()
    }

    /// Gives a database that is a copy of the template, or was one and is to be cleaned. Whoever gets it gives it back with
    /// [`give_back`](Self::give_back) or has it thrown away with [`discard`](Self::discard).
    pub(crate) async fn take(self: &Arc<Self>, template: &Arc<Template>, from: From) -> Result<Ready, Error> {
        if let Some(ready) = self.stock(template.key(), Stock::take) {
            return Ok(ready);
        }
        if from == From::Anybody
            && let Some(name) = self.adopt(template).await?
        {
            return Ok(Ready::Used(name));
        }
        self.wait(template).await
    }

    /// Makes copies in the background until so many are free: here, or left by others.
    pub(crate) fn make_ahead(self: &Arc<Self>, template: &Arc<Template>, count: usize) {
        if self.stock(template.key(), |stock| stock.ahead()) >= count {
            return;
        }
        let (home, template) = (self.clone(), template.clone());
        self.keeper.spawn(async move {
            let left = match home.count_left(&template).await {
                Ok(left) => left,
                Err(error) => return tracing::debug!(%error, "no test database is made ahead"),
            };
            let missing =
                home.stock(template.key(), |stock| count.saturating_sub(left).saturating_sub(stock.ahead()));
            for _ in 0..missing {
                home.make(&template);
            }
        });
    }

    async fn count_left(&self, template: &Template) -> Result<usize, Error> {
        let prefix = self.facts.names.prefix(template.key());
        home_sql::free(&*self.life().await?, &prefix).await.map_err(|source| Fault::Ask { source }.into())
    }

    /// Makes copies until so many are free, and returns when they are.
    pub(crate) async fn prepare(
        self: &Arc<Self>,
        template: &Arc<Template>,
        count: usize,
    ) -> Result<(), Error> {
        let waiting: Vec<_> = self.stock(template.key(), |stock| {
            let missing = count.saturating_sub(stock.free());
            (0..missing).map(|_| stock.wait()).collect()
        });
        let mut turns: Vec<_> =
            waiting.into_iter().map(|answer| Turn::new(self, template.key(), answer)).collect();
        turns.iter().for_each(|_| self.make(template));
        for turn in &mut turns {
            turn.comes().await?;
        }
        Ok(())
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

    /// Takes a database back. Where it can't be told whether it is as it was, it is thrown away.
    pub(crate) fn give_back(self: &Arc<Self>, template: &Template, name: String) {
        let most = 2 * self.most_at_once();
        let is_wanted = self.facts.has_counters
            && template.is_cleanable()
            && self.stock(template.key(), |stock| stock.free() < most);
        if is_wanted {
            self.stock(template.key(), |stock| stock.give(Ready::Used(name)));
        } else {
            self.discard(template.key(), name);
        }
    }

    /// Takes a database back that was not used.
    pub(crate) fn put_back(&self, key: Key, ready: Ready) {
        self.stock(key, |stock| stock.give(ready));
    }

    /// Drops a database in the background.
    pub(crate) fn discard(self: &Arc<Self>, key: Key, name: String) {
        let home = self.clone();
        self.keeper.spawn(async move {
            if let Err(error) = home.drop_database(key, &name).await {
                tracing::debug!(%error, name, "could not drop a test database");
            }
        });
    }

    /// Drops a database, and its lock with it.
    pub(crate) async fn drop_database(&self, key: Key, name: &str) -> Result<(), Error> {
        self.remove(Kind::Database, key, name).await
    }

    /// Creates a schema that nobody else has, in the maintenance database.
    pub(crate) async fn create_schema(&self, key: Key) -> Result<String, Error> {
        let name = self.new_name(key);
        let failed = |source| Fault::CreateSchema { name: name.clone(), source };
        if let Some(will) = &self.will {
            will.add(Kind::Schema, &name)?;
        }
        home_sql::try_lock(&*self.life().await?, &name).await.map_err(failed)?;
        self.stock(key, |stock| stock.own(&name));
        let maker = self.maker().await?;
        home_sql::create_schema(&maker, &name).await.map_err(failed)?;
        self.rest(maker);
        Ok(name)
    }

    /// Drops a schema in the background.
    pub(crate) fn drop_schema(self: &Arc<Self>, key: Key, name: String) {
        let home = self.clone();
        self.keeper.spawn(async move {
            if let Err(error) = home.remove(Kind::Schema, key, &name).await {
                tracing::debug!(%error, name, "could not drop the schema of a test");
            }
        });
    }

    async fn remove(&self, kind: Kind, key: Key, name: &str) -> Result<(), Error> {
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
        self.stock(key, |stock| stock.disown(name));
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

    fn most_at_once(&self) -> usize {
        thread::available_parallelism().map_or(2, NonZero::get).max(4)
    }

    /// Takes over what somebody who has died has left.
    async fn adopt(&self, template: &Template) -> Result<Option<String>, Error> {
        if !self.facts.has_counters || !template.is_cleanable() {
            return Ok(None);
        }
        let _alone = self.adopting.lock().await;
        let ours = self.stock(template.key(), |stock| stock.ours());
        let prefix = self.facts.names.prefix(template.key());
        let adopted = home_sql::adopt(&*self.life().await?, &prefix, &ours).await;
        let adopted = adopted.map_err(|source| Fault::Ask { source })?;
        if let Some(name) = &adopted {
            self.stock(template.key(), |stock| stock.own(name));
        }
        Ok(adopted)
    }

    /// Waits for a database, of which one is made if nothing comes before it.
    async fn wait(self: &Arc<Self>, template: &Arc<Template>) -> Result<Ready, Error> {
        let mut turn = Turn::new(self, template.key(), self.stock(template.key(), Stock::wait));
        self.make(template);
        turn.comes().await?;
        Ok(turn.take().ok_or(Fault::Lost)?)
    }

    fn make(self: &Arc<Self>, template: &Arc<Template>) {
        let (home, template) = (self.clone(), template.clone());
        self.stock(template.key(), Stock::begin);
        self.keeper.spawn(async move {
            let made = home.create(&template).await;
            home.stock(template.key(), |stock| {
                stock.end();
                match made {
                    Ok(name) => stock.give(Ready::New(name)),
                    Err(error) => stock.fail(error),
                }
            });
        });
    }

    async fn create(&self, template: &Template) -> Result<String, Error> {
        let _permit = self.making.acquire().await.map_err(|_| Fault::Lost)?;
        let name = self.new_name(template.key());
        // From here on nobody of this process takes it for one that the dead have left.
        self.stock(template.key(), |stock| stock.own(&name));
        let created = self.create_as(template, &name).await;
        if created.is_err() {
            self.stock(template.key(), |stock| stock.disown(&name));
        }
        created.map(|()| name)
    }

    async fn create_as(&self, template: &Template, name: &str) -> Result<(), Error> {
        let failed = |source| Fault::Create { name: name.to_owned(), source };
        let maker = self.maker().await?;
        if let Some(will) = &self.will {
            will.add(Kind::Database, name)?;
        }
        // Before there is a database, which others would take for one that the dead have left.
        if !home_sql::try_lock(&*self.life().await?, name).await.map_err(failed)? {
            return Err(Fault::Lost.into());
        }
        let strategy = self.strategy(template.manifest());
        home_sql::create(&maker, name, template.name(), strategy).await.map_err(failed)?;
        template.settings().apply(&maker, name).await.map_err(failed)?;
        self.rest(maker);
        Ok(())
    }

    fn new_name(&self, key: Key) -> String {
        // Multiplied by an odd number, so that names that are made one after another do not look alike.
        let count = self.counter.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.facts.names.database(key, count)
    }

    fn stock<T>(&self, key: Key, work: impl FnOnce(&mut Stock) -> T) -> T {
        work(locked(&self.stocks).entry(key).or_default())
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
