use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use dunlin::{BoxError, RecordState, State};
use dunlin_test::Database;
use tokio::time::sleep;
use tokio_postgres::Client;

use crate::Release;
use crate::fleet::Process;

/// Within this a replica has ended that was told to.
const BOUND: Duration = Duration::from_secs(2);
/// Within this the server has noticed that somebody is gone.
const NOTICED: Duration = Duration::from_secs(1);
/// Within this the next replica has done the rest.
const PATIENCE: Duration = Duration::from_secs(120);

/// A replica of release 2 that was told to end while it migrated, and what it has left behind.
#[derive(Clone, Debug)]
pub struct Termination {
    /// How long after it was alive it was told to end.
    pub moment: Duration,
    /// What it was doing then.
    pub phase: String,
    /// How long it took to end.
    pub took: Duration,
    /// How many migrations are applied.
    pub applied: usize,
    /// The migrations that the history says are half applied.
    pub half_applied: Vec<String>,
    /// How long the next replica took to be ready.
    pub next_ready_after: Duration,
}

impl Termination {
    /// Runs a replica on this database, tells it to end at that moment, looks what there is, and lets another one go on.
    ///
    /// # Errors
    ///
    /// If it does not end within two seconds, or not well; if it leaves a session or something that is half done and not named; and if
    /// the next one does not come to the end.
    pub async fn at(moment: Duration, program: &Path, database: &Database) -> Result<Self, BoxError> {
        let url = database.url();
        let mut replica = Process::start(program, Release::Two, "first", &url).await?;
        let alive = Instant::now();
        sleep(moment).await;
        let moment = alive.elapsed();
        let phase = replica.get("/livez").await?.1["phase"].as_str().unwrap_or("unknown").to_owned();

        let told = Instant::now();
        replica.terminate()?;
        let status = replica.end(BOUND).await?;
        let took = told.elapsed();
        if !status.success() {
            return Err(format!("the replica has ended with {status}").into());
        }

        let client = database.connect().await?;
        gone(&client).await?;
        let (applied, half_applied) = left_behind(&client).await?;
        let next = Process::start(program, Release::Two, "next", &url).await?;
        let next_ready_after = next.ready(PATIENCE).await?;
        finished(&client).await?;
        next.stop().await?;
        Ok(Self { moment, phase, took, applied, half_applied, next_ready_after })
    }
}

impl fmt::Display for Termination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { moment, phase, took, applied, half_applied, next_ready_after } = self;
        let (moment, took, next) = (moment.as_millis(), took.as_millis(), next_ready_after.as_millis());
        write!(f, "told after {moment} ms ({phase}), ended after {took} ms, {applied} applied")?;
        if !half_applied.is_empty() {
            write!(f, ", half applied: {}", half_applied.join(", "))?;
        }
        write!(f, "; the next one was ready after {next} ms")
    }
}

/// Waits until this is the only session of the database: no lock of the replica's is left, and no transaction.
async fn gone(client: &Client) -> Result<(), BoxError> {
    let others = "SELECT string_agg(application_name || ': ' || coalesce(state, 'unknown'), ', ') FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'";
    let began = Instant::now();
    loop {
        let others: Option<String> = client.query_one(others, &[]).await?.try_get(0)?;
        match others {
            None => return Ok(()),
            Some(others) if began.elapsed() > NOTICED => {
                return Err(format!("sessions are left: {others}").into());
            }
            Some(_) => sleep(Duration::from_millis(5)).await,
        }
    }
}

/// What is applied, and what is half applied; nothing may be half done that the history does not name.
async fn left_behind(client: &Client) -> Result<(usize, Vec<String>), BoxError> {
    let status = Release::Two.migrator("nobody").status(client).await?;
    let (applied, others): (Vec<_>, Vec<_>) =
        status.records().iter().partition(|record| record.state() == RecordState::Applied);
    let invalid = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid";
    let is_named = others.iter().any(|record| record.id().name() == "search_in_english");
    for row in client.query(invalid, &[]).await? {
        let index: String = row.try_get(0)?;
        if index != "utterances_in_english" || !is_named {
            return Err(format!("the index {index} is half built, and the history does not say so").into());
        }
    }
    Ok((applied.len(), others.iter().map(|record| record.id().to_string()).collect()))
}

/// Waits until everything is done that release 2 brings.
async fn finished(client: &Client) -> Result<(), BoxError> {
    let status = Release::Two.migrator("nobody").status(client).await?;
    if status.state() != State::Current {
        return Err(format!("the next replica is ready, and the database is {}", status.state()).into());
    }
    let began = Instant::now();
    let left = "SELECT count(*) FROM utterances WHERE words IS NULL";
    loop {
        let left: i64 = client.query_one(left, &[]).await?.try_get(0)?;
        match left {
            0 => return Ok(()),
            left if began.elapsed() > PATIENCE => return Err(format!("{left} rows are not counted").into()),
            _ => sleep(Duration::from_millis(20)).await,
        }
    }
}
