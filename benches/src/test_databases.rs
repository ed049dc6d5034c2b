use std::{
    collections::BTreeSet,
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use dunlin::MigrationSet;
use dunlin_test::{Server, TestDatabase, TestDatabaseBuilder};
use tokio_postgres::Client;

use crate::{Contestant, Dunlin, Failure, Place, Script, Supplied, Supplier, Supply};

/// Behind what tells pools apart.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Dropping what was used may take so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a test does to its database: some rows in five of the tables.
const USE: &str = "INSERT INTO bird_0001 (ring) VALUES ('a'), ('b'), ('c'); INSERT INTO bird_0021 (ring) VALUES ('a'), ('b'); \
                   INSERT INTO bird_0041 (ring) VALUES ('a'); INSERT INTO bird_0061 (ring) VALUES ('a'), ('b'), ('c'); \
                   INSERT INTO bird_0081 (ring) VALUES ('a')";

/// What keeps a database from coming back.
const SPOIL: &str = "CREATE TABLE moult (id integer)";

/// This library's databases for tests.
#[derive(Clone, Debug)]
pub(crate) struct TestDatabases {
    pub(crate) server: Server,
    pub(crate) found: Found,
}

/// What a test finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// No database that is free: it waits for a copy.
    None,
    /// A copy that was made ahead, in which nobody has been.
    New,
    /// A database that another test has used.
    Used,
}

#[async_trait]
impl Supplier for TestDatabases {
    fn name(&self) -> String {
        let found = match self.found {
            Found::None => "without the pool",
            Found::New => "from the pool",
            Found::Used => "cleaned",
        };
        format!("{}, {found}", Dunlin.name())
    }

    fn way(&self) -> &'static str {
        match self.found {
            Found::None => "`create()` and `connect()` of a `TestDatabase` when none is free, and `SELECT 1`",
            Found::New => "the same when `prepare(n)` was called before, and nobody has used those databases",
            Found::Used => {
                "the same when other tests have put rows into 5 of the tables of the databases that are free"
            }
        }
    }

    async fn open(&self, _: &Place, scripts: &[Script]) -> Result<Arc<dyn Supply>, Failure> {
        let pool = Pool {
            server: self.server.clone(),
            found: self.found,
            number: COUNT.fetch_add(1, Ordering::Relaxed),
            migrations: Dunlin::set(scripts)?,
            last: Mutex::default(),
            used: Arc::default(),
        };
        Ok(Arc::new(pool))
    }
}

struct Pool {
    server: Server,
    found: Found,
    number: usize,
    migrations: MigrationSet,
    /// What was made last, and stays until the next round.
    last: Mutex<Option<TestDatabase>>,
    /// The names of the databases that tests have used.
    used: Arc<Mutex<BTreeSet<String>>>,
}

#[async_trait]
impl Supply for Pool {
    async fn ready(&self, tests: usize) -> Result<(), Failure> {
        match self.found {
            Found::None => self.drain().await,
            Found::New => {
                self.drain().await?;
                Ok(self.builder().prepare(tests).await?)
            }
            Found::Used => {
                let mut taken = Vec::new();
                for _ in 0..tests {
                    taken.push(self.take().await?);
                }
                for taken in taken {
                    Box::new(taken).give_up().await?;
                }
                Ok(())
            }
        }
    }

    async fn supply(&self) -> Result<Box<dyn Supplied>, Failure> {
        let taken = self.take().await?;
        let is_used = locked(&self.used).contains(taken.database.name());
        if is_used == (self.found == Found::Used) {
            Ok(Box::new(taken))
        } else {
            Err(format!("{:?} was to be found, and was not", self.found).into())
        }
    }
}

impl Pool {
    /// Each pool has databases of its own: fixtures are part of what tells one template from another.
    fn builder(&self) -> TestDatabaseBuilder {
        let fixture = format!("pool {}", self.number);
        TestDatabase::builder(&self.migrations).server(&self.server).fixture(fixture, "SELECT 1").ahead(0)
    }

    async fn take(&self) -> Result<Taken, Failure> {
        let database = self.builder().create().await?;
        let client = database.connect().await?;
        client.simple_query("SELECT 1").await?;
        Ok(Taken { database, client, found: self.found, used: Arc::clone(&self.used) })
    }

    /// Sees to it that nothing is free: whoever gets a new one has got all others out of the way. Waits until they are gone.
    async fn drain(&self) -> Result<(), Failure> {
        let last = locked(&self.last).take();
        if let Some(last) = last {
            let client = last.connect().await?;
            Box::new(Taken { database: last, client, found: self.found, used: Arc::clone(&self.used) })
                .give_up()
                .await?;
        }
        let new = self.builder().create().await?;
        *locked(&self.last) = Some(new);
        let gone: Vec<String> = mem::take(&mut *locked(&self.used)).into_iter().collect();
        let client = Place::maintenance(&self.server).connect().await?;
        let began = Instant::now();
        while client
            .query_one("SELECT count(*) FROM pg_database WHERE datname = ANY ($1)", &[&gone])
            .await?
            .get::<_, i64>(0)
            > 0
        {
            if began.elapsed() > PATIENCE {
                return Err("databases that were spoilt are not dropped".into());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }
}

struct Taken {
    database: TestDatabase,
    client: Client,
    found: Found,
    used: Arc<Mutex<BTreeSet<String>>>,
}

#[async_trait]
impl Supplied for Taken {
    async fn give_up(self: Box<Self>) -> Result<(), Failure> {
        let sql = if self.found == Found::Used { USE } else { SPOIL };
        self.client.batch_execute(sql).await?;
        locked(&self.used).insert(self.database.name().to_owned());
        Ok(())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
