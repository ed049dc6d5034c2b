use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use dunlin::BoxError;
use futures_util::future::try_join_all;
use serde_json::Value;
use tokio::time::sleep;

use crate::Release;
use crate::fleet::{Process, Proxy};

/// How many replicas there are.
pub const REPLICAS: usize = 3;
/// How long one may take to be ready.
const PATIENCE: Duration = Duration::from_secs(600);

/// The service as its users see it: replicas of one release, for a moment of two, behind a proxy.
#[derive(Debug)]
pub struct Site {
    program: PathBuf,
    database_url: String,
    proxy: Proxy,
    replicas: Vec<Process>,
    started: usize,
}

/// How one replica has started.
#[derive(Clone, Debug)]
pub struct Started {
    /// What it is called.
    pub name: String,
    /// After how long it has answered that it is alive.
    pub live_after: Duration,
    /// After how long it was ready.
    pub ready_after: Duration,
    /// How long it has waited for the migration lock.
    pub waited: Duration,
    /// How many migrations it has applied.
    pub applied: usize,
    /// How the database stands against what it knows: `current`, `ahead`.
    pub state: String,
}

impl Site {
    /// A site without replicas, whose proxy listens.
    ///
    /// # Errors
    ///
    /// If there is no port.
    pub async fn open(program: &Path, database_url: String) -> Result<Self, BoxError> {
        let proxy = Proxy::start().await?;
        Ok(Self { program: program.to_owned(), database_url, proxy, replicas: Vec::new(), started: 0 })
    }

    /// Where its users go.
    #[must_use]
    pub fn url(&self) -> String {
        self.proxy.url()
    }

    /// The replicas that run.
    #[must_use]
    pub fn replicas(&self) -> &[Process] {
        &self.replicas
    }

    /// Starts three replicas at once beside those that are there. They are alive when it comes back, and get requests when they are ready.
    ///
    /// # Errors
    ///
    /// If one is not alive soon.
    pub async fn start(&mut self, release: Release) -> Result<Vec<Process>, BoxError> {
        let names: Vec<_> = (0..REPLICAS).map(|_| self.name(release)).collect();
        let start = |name| Process::start(&self.program, release, name, &self.database_url);
        try_join_all(names.iter().map(|name| start(name))).await
    }

    /// Starts three replicas at once, and when they are ready ends the old ones, one after the other.
    ///
    /// # Errors
    ///
    /// If one is not ready, or one does not end well.
    pub async fn replace(&mut self, release: Release) -> Result<Vec<Started>, BoxError> {
        let new = self.start(release).await?;
        self.take_over(new).await
    }

    /// Waits until these are ready, and ends the old ones, one after the other.
    ///
    /// # Errors
    ///
    /// If one is not ready, or one does not end well.
    pub async fn take_over(&mut self, new: Vec<Process>) -> Result<Vec<Started>, BoxError> {
        new.iter().for_each(|replica| self.proxy.add(replica));
        let readies = try_join_all(new.iter().map(|replica| replica.ready(PATIENCE))).await?;
        let mut started = Vec::new();
        for (replica, ready_after) in new.iter().zip(readies) {
            started.push(Started::of(replica, ready_after).await?);
        }
        self.receives(self.replicas.len() + new.len()).await?;
        for old in std::mem::replace(&mut self.replicas, new) {
            self.retire(old).await?;
        }
        Ok(started)
    }

    /// Replaces one replica after the other: the next one begins when the one before is ready and its predecessor has ended.
    ///
    /// # Errors
    ///
    /// If one is not ready, or one does not end well.
    pub async fn roll(&mut self, release: Release) -> Result<Vec<Started>, BoxError> {
        let mut started = Vec::new();
        for _ in 0..self.replicas.len() {
            let name = self.name(release);
            let new = Process::start(&self.program, release, &name, &self.database_url).await?;
            self.proxy.add(&new);
            let ready_after = new.ready(PATIENCE).await?;
            started.push(Started::of(&new, ready_after).await?);
            self.receives(self.replicas.len() + 1).await?;
            let old = self.replicas.remove(0);
            self.replicas.push(new);
            self.retire(old).await?;
        }
        Ok(started)
    }

    /// Ends all replicas.
    ///
    /// # Errors
    ///
    /// If one does not end well.
    pub async fn close(mut self) -> Result<(), BoxError> {
        for replica in std::mem::take(&mut self.replicas) {
            self.retire(replica).await?;
        }
        Ok(())
    }

    async fn retire(&self, replica: Process) -> Result<(), BoxError> {
        let address = replica.address();
        replica.stop().await?;
        self.proxy.remove(address);
        Ok(())
    }

    /// Waits until so many get requests.
    async fn receives(&self, count: usize) -> Result<(), BoxError> {
        let began = Instant::now();
        while self.proxy.ready() < count {
            if began.elapsed() > Duration::from_secs(10) {
                return Err("a replica that is ready gets no requests".into());
            }
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// `2d`: the fourth replica, which is one of release 2.
    fn name(&mut self, release: Release) -> String {
        let letter = char::from(b'a' + u8::try_from(self.started % 26).unwrap_or_default());
        self.started += 1;
        format!("{release}{letter}")
    }
}

impl Started {
    async fn of(replica: &Process, ready_after: Duration) -> Result<Self, BoxError> {
        let told = replica.migrations().await?;
        let mine = format!("replica {}", replica.name());
        let is_mine = |step: &&Value| step["application"].as_str().is_some_and(|who| who.ends_with(&mine));
        Ok(Self {
            name: replica.name().to_owned(),
            live_after: replica.live_after(),
            ready_after,
            waited: Duration::from_micros(told["lock_waited_us"].as_u64().unwrap_or_default()),
            applied: told["steps"].as_array().map_or(0, |steps| steps.iter().filter(is_mine).count()),
            state: told["state"].as_str().unwrap_or("unknown").to_owned(),
        })
    }
}

impl fmt::Display for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, live_after, ready_after, waited, applied, state } = self;
        write!(
            f,
            "replica {name}: live after {} ms, ready after {} ms, {state}",
            live_after.as_millis(),
            ready_after.as_millis()
        )?;
        match applied {
            0 => {}
            1 => f.write_str(", has applied 1 migration")?,
            _ => write!(f, ", has applied {applied} migrations")?,
        }
        if *waited > Duration::ZERO {
            write!(f, ", has waited {} ms for the lock", waited.as_millis())
        } else {
            Ok(())
        }
    }
}
