//! A process that migrates: the database of its first argument with the texts of the others, one migration each.
#![expect(clippy::print_stderr, reason = "it tells the test why it failed")]

use std::process::ExitCode;

use dunlin::{MigrationSet, Migrator};
use tokio_postgres::{Config, NoTls};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match migrate().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn migrate() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let config: Config = arguments.next().ok_or("usage: holder URL TEXT...")?.parse()?;
    let set = arguments
        .zip(1..)
        .fold(MigrationSet::builder(), |set, (text, version)| set.sql(version, format!("m{version}"), text));
    dunlin::migrate(&config, NoTls, &Migrator::new(set.build()?)).await?;
    Ok(())
}
