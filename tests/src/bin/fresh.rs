//! Processes full of tests that ask for fresh databases: `cargo run --release -p tests --bin fresh -- parallel`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a command")]

use std::process::ExitCode;

use dunlin::BoxError;
use tests::{
    faults::Part,
    fresh::{self, Place, Report, Rounds},
};
use tokio::runtime::Builder;

const USAGE: &str = "usage: fresh KIND [REPETITIONS] [--seed S] [--point N]

  parallel      4 processes with 125 tests each, 8 at once: on a shared server, and on one of DATABASE_URL (20 times each)
  nextest-like  300 processes with one test each, 4 at a time: on both
  kills         4 processes of which 3 to 8 are killed with -9 at random and replaced: on both (50 times each)
  points        a process is killed at each message between it and the server of DATABASE_URL
  cancels       the future of a fresh database is dropped at each poll
  all           all of them

REPETITIONS of points and cancels are so many of their points. --seed repeats something random, --point tries one point.";

const KINDS: [&str; 5] = ["parallel", "nextest-like", "kills", "points", "cancels"];

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let kind = arguments.next().unwrap_or_default();
    let outcome = match kind.as_str() {
        "worker" => worker(arguments),
        "guest" => guest(arguments),
        "all" => kinds(&KINDS, arguments),
        _ => kinds(&[&kind], arguments),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::FAILURE
    })
}

fn worker(mut arguments: impl Iterator<Item = String>) -> Result<ExitCode, BoxError> {
    let work = arguments.next().ok_or(USAGE)?.parse()?;
    fresh::work(work, |line| println!("{line}"))
}

fn guest(mut arguments: impl Iterator<Item = String>) -> Result<ExitCode, BoxError> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let role = arguments.next().ok_or(USAGE)?;
    runtime.block_on(fresh::guest(&role, |line| println!("{line}")))
}

fn kinds(names: &[&str], arguments: impl Iterator<Item = String>) -> Result<ExitCode, BoxError> {
    let options = Options::read(arguments)?;
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let mut code = ExitCode::SUCCESS;
    for name in names {
        for report in runtime.block_on(run(name, &options))? {
            println!("{report}");
            if !report.is_right() {
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

async fn run(name: &str, options: &Options) -> Result<Vec<Report>, BoxError> {
    let program = std::env::current_exe()?;
    let Options { repetitions, seed, point } = *options;
    let seed = seed.unwrap_or_else(|| {
        let seed = u64::from(fastrand::u32(..));
        println!("--seed {seed}");
        seed
    });
    let some = repetitions.map_or(Part::All, |points| Part::Some { points, seed });
    let part = point.map_or(some, Part::One);
    match name {
        "points" => return Ok(vec![fresh::points(part, &program).await?]),
        "cancels" => return Ok(vec![fresh::cancels(part).await?]),
        _ => {}
    }
    let mut reports = Vec::new();
    for place in [Place::Shared, Place::Given] {
        let (tests, most) = match name {
            "parallel" => (125, 20),
            "nextest-like" => (300, 1),
            _ => (20, 50),
        };
        let rounds = Rounds { place, rounds: repetitions.unwrap_or(most), tests, seed, program: &program };
        reports.push(match name {
            "parallel" => fresh::parallel(rounds).await?,
            "nextest-like" => fresh::short(rounds).await?,
            "kills" => fresh::kills(rounds).await?,
            _ => return Err(USAGE.into()),
        });
    }
    Ok(reports)
}

#[derive(Default)]
struct Options {
    repetitions: Option<usize>,
    seed: Option<u64>,
    point: Option<usize>,
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, BoxError> {
        let mut options = Self::default();
        while let Some(name) = arguments.next() {
            if !name.starts_with('-') {
                options.repetitions = Some(name.parse()?);
                continue;
            }
            let value = arguments.next().ok_or(USAGE)?;
            match name.as_str() {
                "--seed" => options.seed = Some(value.parse()?),
                "--point" => options.point = Some(value.parse()?),
                _ => return Err(USAGE.into()),
            }
        }
        Ok(options)
    }
}
