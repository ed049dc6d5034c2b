use dunlin::{Connect, Direct, Migrator, Target};
use tokio_postgres::{Config, NoTls};

use crate::{
    Error, Storage, flatten,
    migrations::{FLAT, MOVE, OLD, reverter},
};

/// How far back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rollback {
    /// The schema is the old one; the files stay in their folders, and the next migration adopts them.
    Database,
    /// The files lie flat; the database has versions.
    Files,
    /// All is as it was before.
    Both,
}

/// Goes back, and says what was done.
///
/// # Errors
///
/// What the file system or the server says.
///
/// # Cancel safety
///
/// As [`dunlin::migrate_to`] and [`flatten`]: what was done stays, and the next call goes on.
pub async fn roll_back(
    config: &Config,
    storage: &Storage,
    rollback: Rollback,
    prepare: impl FnOnce(Migrator) -> Migrator,
) -> Result<String, Error> {
    let migrator = prepare(reverter(storage, rollback));
    let client = Direct::new(config.clone(), NoTls).connect().await?;
    let status = migrator.status(&client).await?;
    let newest = status.records().iter().map(|record| record.id().version()).max().unwrap_or_default();
    let mut said = Vec::new();
    if rollback != Rollback::Database && newest < MOVE {
        // The database has been rolled back alone: no migration knows of the files.
        said.push(flatten(&storage.hold()?, &client, &|_, _| ()).await?.to_string());
    }
    let version = if rollback == Rollback::Files { FLAT } else { OLD };
    if newest > version {
        said.push(dunlin::migrate_to(config, NoTls, &migrator, Target::Version(version)).await?.to_string());
    }
    Ok(said.join("\n"))
}
