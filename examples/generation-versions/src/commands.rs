//! One command on a database and a storage root that are there.

use std::process::ExitCode;

use dunlin::{BoxError, Connect, Direct, Migrator, Target};
use generation_versions::{
    Checks, Orphans, Preflight, Seed, Storage, activate, compare, migrator, roll_back, sweep,
};
use tokio_postgres::{Config, NoTls};

use crate::{
    bar::Bar,
    cli::{Command, Place},
    screen::Screen,
};

/// Runs one.
pub(crate) async fn run(screen: Screen, command: Command, place: Place) -> Result<ExitCode, BoxError> {
    let root = place.root.ok_or("name the folder with the flat files: `--root`, or STORAGE_ROOT")?;
    let storage = Storage::open(root)?;
    if let Command::Compare { project, old, new } = &command {
        screen.say(compare(&storage, project, (*old, *new))?);
        return Ok(ExitCode::SUCCESS);
    }
    let url = place.database_url.ok_or("name the database: `--database-url`, or DATABASE_URL")?;
    let config: Config = url.parse().map_err(|error| format!("this is no connection string: {error}"))?;
    let client = Direct::new(config.clone(), NoTls).connect().await?;
    match command {
        Command::Generate(data) => {
            let old = migrator(&storage, Orphans::Refuse);
            dunlin::migrate_to(&config, NoTls, &old, Target::Version(1)).await?;
            Seed::from(data).sow(&client, storage.root()).await?;
            screen.say(Preflight::look(&client, &storage).await?);
        }
        Command::Preflight => {
            let preflight = Preflight::look(&client, &storage).await?;
            screen.say(&preflight);
            return Ok(code(preflight.pass(Orphans::Refuse).is_ok()));
        }
        Command::Migrate { archive_orphans } => {
            let orphans = if archive_orphans { Orphans::Archive } else { Orphans::Refuse };
            screen.say(dunlin::migrate(&config, NoTls, &with_bar(migrator(&storage, orphans))).await?);
        }
        Command::Sweep => {
            let hold = storage.hold()?;
            screen.say(sweep(&hold, &client, &|_, _| ()).await?);
        }
        Command::Verify => {
            let checks = Checks::run(&client, &storage).await?;
            screen.say(&checks);
            return Ok(code(checks.pass()));
        }
        Command::Activate { project, version } => {
            activate(&storage.hold()?, &client, &project, version).await?;
            screen.say(format!("version {version} is active"));
        }
        Command::Rollback(back) => {
            screen.say(roll_back(&config, &storage, back.into(), with_bar).await?);
        }
        Command::Compare { .. } => {}
    }
    Ok(ExitCode::SUCCESS)
}

/// A migrator that draws a bar while it runs.
pub(crate) fn with_bar(migrator: Migrator) -> Migrator {
    let bar = Bar::new();
    migrator.on_progress(move |progress| bar.show(progress))
}

fn code(is_well: bool) -> ExitCode {
    if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
