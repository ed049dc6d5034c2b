//! What is asked for.

use clap::{Args, Parser, Subcommand};
use temporal_periods::Generator;

/// A crawler's schema gets a temporal layer, and what there was before becomes period 0 of each topic and user.
///
/// Without a command: all of it, on a database that is made for it and dropped afterwards. The server is that of DATABASE_URL, or one
/// that is started for it.
#[derive(Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    amount: Amount,
}

impl Arguments {
    pub(crate) fn command(self) -> Command {
        self.command.unwrap_or(Command::Run(self.amount))
    }
}

#[derive(Clone, Copy, Subcommand)]
pub(crate) enum Command {
    /// All of it, on a database that is made for it and dropped afterwards
    Run(Amount),
    /// Makes the old schema in the database of DATABASE_URL, and fills it
    Generate(Amount),
    /// Says what migrating would do: makes the layer's tables, and tries the backfill without writing
    DryRun,
    /// Brings the database of DATABASE_URL up to date; goes on where it was interrupted
    Migrate,
    /// How far the database of DATABASE_URL is; also while it migrates
    Status,
    /// Runs what verifies the migrations, and counts what must be so
    Verify,
    /// Refreshes the materialized view: plainly the first time, CONCURRENTLY from then on
    Refresh,
    /// Takes the three migrations of the layer back
    Rollback,
}

#[derive(Args, Clone, Copy)]
pub(crate) struct Amount {
    /// How many contents there are, from 10 to 1,000,000
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(Generator::FEWEST..=Generator::MOST))]
    contents: u64,
    /// What the contents are made of: the same for the same seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Amount {
    pub(crate) fn contents(self) -> u64 {
        self.contents
    }

    pub(crate) fn seed(self) -> u64 {
        self.seed
    }

    pub(crate) fn generator(self) -> Generator {
        Generator::new(self.contents, self.seed)
    }
}
