//! `cargo run -p temporal-periods` shows the whole layer being built, filled, verified and taken back, on a PostgreSQL of its own.
//! With a command it does one thing to the database of `DATABASE_URL`: see `--help`.

mod bar;
mod command;
mod demonstration;
mod operation;
mod screen;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;

use crate::command::{Arguments, Command};
use crate::screen::Screen;

#[tokio::main]
async fn main() -> ExitCode {
    let screen = Screen::new();
    let outcome = match Arguments::parse().command() {
        Command::Run(amount) => demonstration::run(screen, amount).await,
        command => operation::run(screen, command).await,
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
