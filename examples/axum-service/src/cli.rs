//! What can be said to the program.

use axum_service::Release;
use clap::{Args, Parser, Subcommand};

/// A service that migrates while it answers. Without a command: a rolling upgrade of three replicas under load, and back, on a PostgreSQL of
/// its own.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) data: Data,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// What there is before anybody upgrades.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Data {
    /// How many utterances
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub(crate) rows: u64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run one replica on the database of DATABASE_URL, until SIGTERM
    Serve(Serve),
    /// Upgrade three replicas again and again, each time on the same rows, and measure
    Repeat {
        /// How often
        #[arg(long, default_value_t = 10)]
        times: u32,
        #[command(flatten)]
        data: Data,
        /// Kill the replica that migrates in every second run
        #[arg(long)]
        kill: bool,
    },
    /// Tell a replica that migrates to end at random moments, and look what is left behind
    Terminate {
        /// How often
        #[arg(long, default_value_t = 100)]
        times: u32,
        /// What the moments are drawn from
        #[arg(long, default_value_t = 7)]
        seed: u64,
        #[command(flatten)]
        data: Data,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The database
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: String,
    /// Which release it is: 1, 2 or 3
    #[arg(long)]
    pub(crate) release: Release,
    /// What the replica is called in the history
    #[arg(long, default_value = "a")]
    pub(crate) name: String,
    /// The port on this machine; 0 for any
    #[arg(long, default_value_t = 8080)]
    pub(crate) port: u16,
    /// End with the standard input
    #[arg(long, hide = true)]
    pub(crate) attached: bool,
}
