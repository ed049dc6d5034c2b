use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dunlin_test::{Database, Server};
use tests::Proxy;
use tokio_postgres::{Client, Row};

use crate::{Contestant, Failure, Place, Prepared, Script};

/// What a flight takes through the proxy: a server in the next availability zone and a few switches.
pub(crate) const ROUND_TRIP: Duration = Duration::from_millis(5);

/// After this long a contestant hangs.
const PATIENCE: Duration = Duration::from_secs(300);

/// So many looks in a row find the same sessions, all of them idle: then the server has nothing to do.
const CALM: u32 = 5;

/// A throw-away server.
#[derive(Debug)]
pub(crate) struct Arena {
    server: Server,
}

impl Arena {
    /// In memory, without `fsync`.
    pub(crate) async fn in_memory() -> Result<Self, Failure> {
        Self::start(Server::builder()).await
    }

    /// On disk, with `fsync`.
    pub(crate) async fn on_disk() -> Result<Self, Failure> {
        Self::start(Server::builder().durable()).await
    }

    async fn start(builder: dunlin_test::Builder) -> Result<Self, Failure> {
        let server = builder
            // One transaction that creates 1,000 tables holds more locks than fit by default.
            .setting("max_locks_per_transaction", "512")
            .setting("max_connections", "150")
            // It would work for whoever happens to be measured.
            .setting("autovacuum", "off")
            .start()
            .await?;
        Ok(Self { server })
    }

    pub(crate) fn origin(&self) -> String {
        self.server.to_string()
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    pub(crate) fn maintenance(&self) -> Place {
        Place::maintenance(&self.server)
    }

    /// Waits until nobody comes, goes or works in any database but the maintenance database, and nothing is left to be written.
    pub(crate) async fn settle(&self) -> Result<(), Failure> {
        let client = self.maintenance().connect().await?;
        let others = "pg_stat_activity WHERE datname <> current_database()";
        let looked = format!(
            "SELECT coalesce(string_agg(pid::text, ' ' ORDER BY pid), ''), coalesce(bool_or(state <> 'idle'), false) FROM {others}"
        );
        let began = Instant::now();
        let (mut before, mut still) = (None, 0);
        while still < CALM {
            if began.elapsed() > PATIENCE {
                return Err("somebody stays at work in a database".into());
            }
            let row = client.query_one(&looked, &[]).await?;
            let sessions = Some(row.get::<_, String>(0));
            let is_calm = sessions == before && !row.get::<_, bool>(1);
            (before, still) = (sessions, if is_calm { still + 1 } else { 0 });
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(client.batch_execute("CHECKPOINT").await?)
    }

    /// An empty database on a server that has nothing else to do.
    pub(crate) async fn database(&self) -> Result<Database, Failure> {
        let database = self.server.create_database().await?;
        Place::socket(&database).connect().await?.batch_execute("CHECKPOINT").await?;
        Ok(database)
    }

    /// A database and a proxy to it.
    pub(crate) async fn far(&self) -> Result<(Database, Proxy), Failure> {
        let database = self.database().await?;
        let proxy =
            Proxy::start(&Place::socket(&database).config().clone()).await.with_round_trip(ROUND_TRIP);
        Ok((database, proxy))
    }
}

/// A contestant with some migrations.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) prepared: Arc<dyn Prepared>,
    count: i64,
}

impl Entry {
    pub(crate) fn all(contestants: &[&dyn Contestant], count: i64) -> Result<Vec<Self>, Failure> {
        let scripts = Script::first(count);
        let entry = |contestant: &&dyn Contestant| {
            Ok(Self { name: contestant.name(), prepared: contestant.prepare(&scripts)?, count })
        };
        contestants.iter().map(entry).collect()
    }

    /// Migrates on an open connection, through the proxy if there is one, checks that it was done, and returns what it
    /// cost.
    pub(crate) async fn apply(&self, near: &Place, proxy: Option<&Proxy>) -> Result<Cost, Failure> {
        let place = proxy.map_or_else(|| near.clone(), Place::through);
        let mut opened = self.prepared.open(&place).await?;
        let observer = near.connect().await?;
        let before = server_cpu(&observer).await?;
        if let Some(proxy) = proxy {
            proxy.reset();
        }
        let began = Instant::now();
        within(opened.migrate()).await?;
        let wall = began.elapsed();
        let round_trips = proxy.map(Proxy::flights);
        let cpu =
            server_cpu(&observer).await?.zip(before).map(|(after, before)| after.saturating_sub(before));
        opened.close().await?;
        self.check(near).await?;
        Ok(Cost { wall, cpu, round_trips })
    }

    /// Checks that all tables are there.
    pub(crate) async fn check(&self, place: &Place) -> Result<(), Failure> {
        let client = place.connect().await?;
        let sql = "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'bird\\_%'";
        let found: i64 = client.query_one(sql, &[]).await?.get(0);
        let wanted = Script::tables(self.count);
        if found == wanted {
            Ok(())
        } else {
            Err(format!("{}: {found} tables of {wanted}", self.name).into())
        }
    }
}

/// What a migration has cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) wall: Duration,
    /// The time that the server's process was on a CPU, which depends less on what else the machine does. Linux only.
    pub(crate) cpu: Option<Duration>,
    pub(crate) round_trips: Option<usize>,
}

/// The CPU time so far of all other connections to the database.
async fn server_cpu(observer: &Client) -> Result<Option<Duration>, Failure> {
    let sql =
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let rows = observer.query(sql, &[]).await?;
    // The first field of `schedstat` is the time on a CPU in nanoseconds.
    let on_cpu = |row: &Row| -> Option<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/schedstat", row.get::<_, i32>(0))).ok()?;
        Some(Duration::from_nanos(stat.split(' ').next()?.parse().ok()?))
    };
    Ok(rows.iter().map(on_cpu).sum())
}

/// Gives up on what hangs.
pub(crate) async fn within<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::time::timeout(PATIENCE, work).await.map_err(|_| format!("nothing after {PATIENCE:?}"))?
}

/// The order of a round: nobody always follows the same one.
pub(crate) fn rotated(len: usize, round: usize) -> impl Iterator<Item = usize> {
    (0..len).map(move |index| (index + round) % len.max(1))
}
