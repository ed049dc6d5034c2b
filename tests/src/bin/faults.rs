//! The sweeps of the fault harness, each in full: `cargo run --release -p tests --bin faults -- cuts`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it is a command")]

use std::{process::ExitCode, time::Duration};

use dunlin::BoxError;
use tests::faults::{self, Part, Tally};

const USAGE: &str = "usage: faults SWEEP [--rounds N] [--seed S] [--point N]

  cuts          the connection is cut at every message
  double-cuts   it is cut twice, in --rounds (1500) random ways
  drops         the future is dropped at every poll, and while a statement runs

--point repeats one point of a sweep, --seed what is random.";

/// How long lock and transaction may be held after a drop.
const FREE: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(tally) => {
            println!("{tally}");
            if tally.is_right() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<Tally, BoxError> {
    let mut arguments = std::env::args().skip(1);
    let sweep = arguments.next().ok_or(USAGE)?;
    let options = Options::read(arguments)?;
    let part = options.point.map_or(Part::All, Part::One);
    match sweep.as_str() {
        "cuts" => faults::cuts(part).await,
        "double-cuts" => faults::double_cuts(options.rounds.unwrap_or(1500), options.seed()).await,
        "drops" => faults::drops(part, FREE).await,
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
