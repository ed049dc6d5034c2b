//! The sweeps of the fault harness, each in full: `cargo run --release -p tests --bin faults -- cuts`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a command")]

use std::{process::ExitCode, time::Duration};

use dunlin::BoxError;
use tests::faults::{self, Part, Tally};
use tokio::runtime::Builder;

const USAGE: &str = "usage: faults SWEEP [--rounds N] [--seed S] [--point N]

  cuts          the connection is cut at every message
  double-cuts   it is cut twice, in 1500 random ways
  silences      the network goes silent at every message
  drops         the future is dropped at every poll, and while a statement runs
  aborts        the process aborts at every poll, and is killed while a statement runs
  chaos         four processes at once, killed, stopped and cut off, 500 times
  poolers       eight runners at once behind a pooler: 100 rounds each of transaction mode, of transaction mode that nobody
                has spoken of, of session mode, and of runners that are aborted or cut off
  pooler-cuts   the connection to a pooler in transaction mode is cut at every message
  all           all of them

--rounds says how often something random is tried, --seed repeats it, --point tries one point of the other sweeps.";

const SWEEPS: [&str; 8] =
    ["cuts", "double-cuts", "silences", "drops", "aborts", "chaos", "poolers", "pooler-cuts"];

/// How long lock and transaction may be held after a drop.
const FREE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let outcome = match name.as_str() {
        "replica" => replica(arguments),
        "all" => sweeps(&SWEEPS, arguments),
        _ => sweeps(&[&name], arguments),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::FAILURE
    })
}

/// What sweeps start this program as: `replica URL [PLACE]`. On one thread, so that its polls are always the same.
fn replica(mut arguments: impl Iterator<Item = String>) -> Result<ExitCode, BoxError> {
    let url = arguments.next().ok_or(USAGE)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let (said, code) = runtime.block_on(faults::replica(&url, arguments.next().as_deref()))?;
    println!("{said}");
    Ok(code)
}

fn sweeps(names: &[&str], arguments: impl Iterator<Item = String>) -> Result<ExitCode, BoxError> {
    let options = Options::read(arguments)?;
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let mut code = ExitCode::SUCCESS;
    for name in names {
        let tally = runtime.block_on(sweep(name, &options))?;
        println!("{tally}");
        if !tally.is_right() {
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

async fn sweep(name: &str, options: &Options) -> Result<Tally, BoxError> {
    let program = std::env::current_exe()?;
    let part = options.point.map_or(Part::All, Part::One);
    match name {
        "cuts" => faults::cuts(part).await,
        "double-cuts" => faults::double_cuts(options.rounds.unwrap_or(1500), options.seed()).await,
        "silences" => faults::silences(part).await,
        "drops" => faults::drops(part, FREE).await,
        "aborts" => faults::aborts(part, &program).await,
        "chaos" => faults::chaos(options.rounds.unwrap_or(500), options.seed(), &program).await,
        "poolers" => faults::poolers(options.rounds.unwrap_or(100), options.seed()).await,
        "pooler-cuts" => faults::pooler_cuts(part).await,
        _ => Err(USAGE.into()),
    }
}

#[derive(Default)]
struct Options {
    rounds: Option<usize>,
    seed: Option<u64>,
    point: Option<usize>,
}

impl Options {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, BoxError> {
        let mut options = Self::default();
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or(USAGE)?;
            match name.as_str() {
                "--rounds" => options.rounds = Some(value.parse()?),
                "--seed" => options.seed = Some(value.parse()?),
                "--point" => options.point = Some(value.parse()?),
                _ => return Err(USAGE.into()),
            }
        }
        Ok(options)
    }

    /// The seed, which is told if it was not given.
    fn seed(&self) -> u64 {
        self.seed.unwrap_or_else(|| {
            let seed = u64::from(fastrand::u32(..));
            println!("--seed {seed}");
            seed
        })
    }
}
