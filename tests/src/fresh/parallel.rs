//! Workers at once, that nobody disturbs.

use std::time::{Duration, Instant};

use dunlin::BoxError;
use tokio::task::JoinSet;

use crate::fresh::{ground::Ground, process::Process, report::Report, rounds::Rounds, worker::Work};

/// How many processes there are at once.
pub(crate) const PROCESSES: usize = 4;

/// Lets four workers run so many tests each, eight at once.
///
/// # Errors
/// When there is no server.
pub async fn parallel(rounds: Rounds<'_>) -> Result<Report, BoxError> {
    let mut report = Report::new(format!("parallel, {:?}", rounds.place));
    let began = Instant::now();
    for seed in rounds.seeds() {
        let ground = Ground::make(rounds.place, "fresh: parallel").await?;
        let outcome = round(&ground, seed, &rounds, &mut report).await;
        report.note(format_args!("seed {seed}"), outcome);
    }
    report.took = began.elapsed();
    Ok(report)
}

async fn round(
    ground: &Ground,
    seed: u64,
    rounds: &Rounds<'_>,
    report: &mut Report,
) -> Result<Duration, BoxError> {
    let mut workers = Vec::new();
    for number in (0..).take(PROCESSES) {
        let seed = seed.wrapping_mul(31).wrapping_add(number);
        let work = Work { tests: rounds.tests, threads: 8, seed, panics: ground.lets_keep() };
        workers.push(Process::start(rounds.program, &work.arguments(), &ground.variables())?);
    }
    let mut folder = None;
    for worker in workers {
        let said = worker.end().await?;
        report.hear(&said, format_args!("seed {seed}"));
        folder = said.folder.or(folder);
    }
    ground.is_clean(folder).await
}

/// Lets so many workers run one test each, four at a time, as a runner does that has a process for each test.
///
/// # Errors
/// When there is no server.
pub async fn short(rounds: Rounds<'_>) -> Result<Report, BoxError> {
    let mut report = Report::new(format!("short, {:?}", rounds.place));
    let began = Instant::now();
    for seed in rounds.seeds() {
        let ground = Ground::make(rounds.place, "fresh: short").await?;
        let outcome = one_each(&ground, seed, &rounds, &mut report).await;
        report.note(format_args!("seed {seed}"), outcome);
    }
    report.took = began.elapsed();
    Ok(report)
}

async fn one_each(
    ground: &Ground,
    seed: u64,
    rounds: &Rounds<'_>,
    report: &mut Report,
) -> Result<Duration, BoxError> {
    let (mut folder, mut running) = (None, JoinSet::new());
    let mut seeds = (0..).map(|number| seed.wrapping_mul(1009).wrapping_add(number)).take(rounds.tests);
    loop {
        while running.len() < PROCESSES
            && let Some(seed) = seeds.next()
        {
            let work = Work { tests: 1, threads: 1, seed, panics: ground.lets_keep() };
            let process = Process::start(rounds.program, &work.arguments(), &ground.variables())?;
            running.spawn(async move { (seed, process.end().await) });
        }
        let Some(ended) = running.join_next().await else { break };
        let (its, said) = ended?;
        let said = said?;
        report.hear(&said, format_args!("seed {seed}, process {its}"));
        folder = said.folder.or(folder);
    }
    ground.is_clean(folder).await
}
