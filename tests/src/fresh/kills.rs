//! Workers that are killed at random.

use std::time::{Duration, Instant};

use dunlin::BoxError;

use crate::fresh::{
    ground::Ground, parallel::PROCESSES, process::Process, report::Report, rounds::Rounds, worker::Work,
};

/// The longest calm between two kills, in microseconds.
const CALM: u64 = 150_000;

/// Lets four workers run so many tests each, four at once, kills one after the other at random and replaces each; at last one
/// more comes in peace. Those that live must not notice.
///
/// # Errors
/// When there is no server.
pub async fn kills(rounds: Rounds<'_>) -> Result<Report, BoxError> {
    let mut report = Report::new(format!("kills, {:?}", rounds.place));
    let began = Instant::now();
    for seed in rounds.seeds() {
        let ground = Ground::make(rounds.place, "fresh: kills").await?;
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
    let mut random = fastrand::Rng::with_seed(seed);
    let variables = ground.variables();
    let mut start = |tests, threads| {
        let work = Work { tests, threads, seed: random.u64(..1 << 40), panics: false };
        Process::start(rounds.program, &work.arguments(), &variables)
    };
    let mut workers = Vec::new();
    for _ in 0..PROCESSES {
        workers.push(start(rounds.tests, 4)?);
    }
    let mut moments = fastrand::Rng::with_seed(!seed);
    for _ in 0..moments.usize(3..=8) {
        tokio::time::sleep(Duration::from_micros(moments.u64(..CALM))).await;
        let worker = workers.get_mut(moments.usize(..PROCESSES)).ok_or("nobody is left")?;
        let mut killed = std::mem::replace(worker, start(rounds.tests, 4)?);
        killed.kill();
        let said = killed.end().await?;
        report.struck += usize::from(said.was_killed);
        report.hear(&said, format_args!("seed {seed}"));
    }
    let mut folder = None;
    for worker in workers {
        let said = worker.end().await?;
        report.hear(&said, format_args!("seed {seed}"));
        folder = said.folder.or(folder);
    }
    let said = start(3, 1)?.end().await?;
    report.hear(&said, format_args!("seed {seed}, in peace"));
    ground.is_clean(said.folder.or(folder)).await
}
