//! A replica: migrates the database of its first argument with as many migrations as its second says.
#![expect(clippy::print_stderr, reason = "it tells the test why it failed")]

use std::process::ExitCode;

use dunlin::{MigrationSet, Migrator};
use tokio_postgres::{Config, NoTls};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match boot().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn boot() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("usage: boot URL COUNT");
    let config: Config = next()?.parse()?;
    let count: i64 = next()?.parse()?;
    let set = (1..=count).fold(MigrationSet::builder(), |set, n| {
        set.sql(n, format!("create_t{n}"), format!("CREATE TABLE t{n} (id bigint PRIMARY KEY)"))
    });
    dunlin::migrate(&config, NoTls, &Migrator::new(set.build()?)).await?;
    Ok(())
}
