//! `cargo run -p axum-service` upgrades three replicas under load and takes them back, on a PostgreSQL of its own. `serve` is the service.

mod cli;
mod repeat;
mod screen;
mod serve;
mod story;
mod terminate;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::screen::Screen;

#[tokio::main]
async fn main() -> ExitCode {
    let Cli { data, command } = Cli::parse();
    let outcome = match command {
        Some(Command::Serve(replica)) => serve::serve(replica).await,
        Some(Command::Repeat { times, data, kill }) => {
            repeat::repeat(Screen::new(), times, data.rows, kill).await
        }
        Some(Command::Terminate { times, seed, data }) => {
            terminate::terminate(Screen::new(), times, seed, data.rows).await
        }
        None => story::tell(Screen::new(), data.rows).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&*error);
            ExitCode::FAILURE
        }
    }
}

/// An error and its causes, for people.
#[allow(clippy::print_stderr, reason = "this is the last thing that the program says")]
fn complain(error: &dyn Error) {
    eprintln!("\nerror: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
}
