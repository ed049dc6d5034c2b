//! A process that is killed at each of its messages.

use std::{
    fmt,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use dunlin::BoxError;
use dunlin_test::Server;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    task::JoinSet,
};
use tokio_postgres::{Client, Config};

use crate::{
    Direction, Fault, Proxy,
    faults::Part,
    fresh::{
        ground::{Left, connect},
        process::Process,
        report::Report,
        worker::Work,
    },
};

/// How many points are tried at once. Most of the time they wait for the last will of their processes.
const AT_ONCE: usize = 12;

/// How long things may take that are waited for.
const PATIENCE: Duration = Duration::from_secs(40);

/// Kills a process at each message that it sends to the server of `DATABASE_URL`, before the message is there, and at each that
/// it gets, and lets the next one come at once. Every second one has a bystander, who has databases of the same template all the
/// while. Afterwards there must be one template that is complete, and nothing else. The program must be
/// [`guest`](crate::fresh::guest) and do [`work`](crate::fresh::work).
///
/// # Errors
/// When a run in peace does not do what it should.
pub async fn points(part: Part, program: &Path) -> Result<Report, BoxError> {
    let began = Instant::now();
    let server = Server::builder().setting("cluster_name", "fresh: points").start().await?;
    let traffic = {
        let lane = Lane::open(&server, 0).await?;
        let said = lane.guest(program, "victim")?.end().await?;
        if let Some(wrong) = said.wrong.first() {
            return Err(format!("the victim in peace: {wrong}").into());
        }
        lane.proxy.traffic()
    };
    let to_server = (1..=traffic.to_server).map(|message| Point { direction: Direction::ToServer, message });
    let to_client = (1..=traffic.to_client).map(|message| Point { direction: Direction::ToClient, message });
    let points = Arc::new(Mutex::new(part.of(to_server.chain(to_client)).into_iter()));
    let report = Arc::new(Mutex::new(Report::new("points")));
    let struck = Arc::new(AtomicUsize::new(0));
    let mut lanes = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (points, report, struck) = (points.clone(), report.clone(), struck.clone());
        let (server, program) = (server.clone(), program.to_owned());
        lanes.spawn(async move {
            loop {
                let next = points.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some((number, point)) = next else { return };
                let outcome = point.try_out(&server, number, &program, &struck).await;
                let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
                report.databases += 1;
                report.note(format_args!("point {number}, {point}"), outcome);
            }
        });
    }
    lanes.join_all().await;
    let mut report = std::mem::take(&mut *report.lock().unwrap_or_else(PoisonError::into_inner));
    report.struck = struck.load(Ordering::Relaxed);
    report.took = began.elapsed();
    Ok(report)
}

/// Where a process is killed.
#[derive(Clone, Copy)]
struct Point {
    direction: Direction,
    message: usize,
}

impl Point {
    async fn try_out(
        self,
        server: &Server,
        number: usize,
        program: &Path,
        struck: &AtomicUsize,
    ) -> Result<Duration, BoxError> {
        let lane = Lane::open(server, number).await?;
        let bystander = if number.is_multiple_of(2) { Some(lane.bystander(program).await?) } else { None };
        lane.proxy.arm([Fault::silence(self.direction, self.message)]);
        let mut victim = lane.guest(program, "victim")?;
        let began = Instant::now();
        while lane.proxy.struck() == 0 && !victim.has_ended()? {
            patience(began, || "the victim comes nowhere".to_owned())?;
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        struck.fetch_add(lane.proxy.struck(), Ordering::Relaxed);
        victim.kill();
        let said = victim.end().await?;
        // It may not kill who comes next.
        lane.proxy.arm([]);
        if let Some(wrong) = said.wrong.first() {
            return Err(format!("the victim: {wrong}").into());
        }
        let work = Work { tests: 3, threads: 2, seed: u64::try_from(number)?, panics: false };
        let next = Process::start(program, &work.arguments(), &lane.variables())?.end().await?;
        if let Some(wrong) = next.wrong.first() {
            return Err(format!("who comes next: {wrong}").into());
        }
        if let Some(mut bystander) = bystander {
            bystander.end_input();
            let said = bystander.end().await?;
            if let Some(wrong) = said.wrong.first() {
                return Err(format!("the bystander: {wrong}").into());
            }
        }
        lane.close().await
    }
}

impl fmt::Display for Point {
    /// `before message 12 to the server`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { direction, message } = self;
        match direction {
            Direction::ToServer => write!(f, "before message {message} to the server"),
            Direction::ToClient => write!(f, "before message {message} to the client"),
        }
    }
}

/// A maintenance database of its own, whose templates, locks and wills are none of others', behind a proxy.
struct Lane {
    config: Config,
    proxy: Proxy,
    /// What all names of this lane's databases have in common, as a pattern.
    names: String,
    maintenance: Client,
}

impl Lane {
    async fn open(server: &Server, number: usize) -> Result<Self, BoxError> {
        let maintenance = connect(&server.config()).await?;
        let name = format!("lane_{number}");
        maintenance.batch_execute(&format!("CREATE DATABASE {name}")).await?;
        let home: i64 = maintenance.query_one(HOME, &[&name]).await?.get(0);
        let mut config = server.config();
        config.dbname(name);
        let proxy = Proxy::start(&config).await;
        Ok(Self { config, proxy, names: format!("dunlin\\_%\\_{home}\\_"), maintenance })
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        let config = self.proxy.config();
        let port = config.get_ports().first().copied().unwrap_or_default();
        let name = config.get_dbname().unwrap_or_default();
        vec![("DATABASE_URL", format!("postgres://postgres@127.0.0.1:{port}/{name}?sslmode=disable"))]
    }

    fn guest(&self, program: &Path, role: &str) -> Result<Process, BoxError> {
        Ok(Process::start(program, &["guest".to_owned(), role.to_owned()], &self.variables())?)
    }

    async fn bystander(&self, program: &Path) -> Result<Process, BoxError> {
        let mut bystander = self.guest(program, "bystander")?;
        let stdout = bystander.child().stdout.as_mut().ok_or("the bystander has no output")?;
        let mut line = String::new();
        tokio::time::timeout(PATIENCE, BufReader::new(stdout).read_line(&mut line)).await??;
        if line.trim() != "ready" {
            bystander.end_input();
            let said = bystander.end().await?;
            return Err(format!("the bystander does not come up: {:?}", said.wrong).into());
        }
        Ok(bystander)
    }

    /// Waits until there is one template that is complete, and nothing else, and returns how long that took.
    async fn close(self) -> Result<Duration, BoxError> {
        let began = Instant::now();
        let witness = connect(&self.config).await?;
        loop {
            let left = Left::of(&witness, &self.names).await?;
            if left.is_nothing() {
                break;
            }
            patience(began, || format!("left behind: {left:?}"))?;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        drop(witness);
        for row in self.maintenance.query(TEMPLATES, &[&format!("{}%", self.names)]).await? {
            let name: String = row.get(0);
            self.maintenance.batch_execute(&format!("ALTER DATABASE {name} IS_TEMPLATE false")).await?;
            self.maintenance.batch_execute(&format!("DROP DATABASE {name}")).await?;
        }
        let lane = self.config.get_dbname().unwrap_or_default();
        self.maintenance.batch_execute(&format!("DROP DATABASE {lane} WITH (FORCE)")).await?;
        Ok(began.elapsed())
    }
}

/// The number in the names of all databases that come from a maintenance database and a role.
const HOME: &str = "SELECT hashtext(concat(oid, ' ', current_user))::bigint & 4294967295 FROM pg_database WHERE datname = $1";

const TEMPLATES: &str = "SELECT datname::text FROM pg_database WHERE datname LIKE $1";

fn patience(began: Instant, what: impl FnOnce() -> String) -> Result<(), BoxError> {
    if began.elapsed() > PATIENCE {
        return Err(format!("after {PATIENCE:?}: {}", what()).into());
    }
    Ok(())
}
