//! `cargo run -p generation-versions` tells the whole story on a PostgreSQL and in a folder of its own. With a command it does one
//! thing to the database of `DATABASE_URL` and the folder of `STORAGE_ROOT`.

mod bar;
mod cli;
mod commands;
mod screen;
mod story;

use std::{error::Error, process::ExitCode};

use clap::Parser;

use crate::{cli::Cli, screen::Screen};

#[tokio::main]
async fn main() -> ExitCode {
    let Cli { data, place, command } = Cli::parse();
    let outcome = match command {
        None => story::tell(Screen::new(), data.into()).await,
        Some(command) => commands::run(Screen::new(), command, place).await,
    };
    match outcome {
        Ok(code) => code,
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
