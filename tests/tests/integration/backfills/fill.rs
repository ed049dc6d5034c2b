//! The backfill that is put under faults, and the two ways to run it.

use std::time::Duration;

use dunlin::{BoxError, Direct, MigrationSet, Migrator};
use dunlin_backfill::{Backfill, Backfills, Change, Health, Row, RowError, Settings, Source};
use tokio_postgres::{Config, NoTls};

use super::people::Fate;

/// How long anything may take on a slow and busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);

/// What the sessions of a backfill are called.
pub(super) const SESSIONS: &str = "fill";

#[derive(Row)]
pub(super) struct Name {
    id: i64,
    first: String,
    last: String,
}

#[derive(Change)]
pub(super) struct Whole {
    whole: String,
}

/// Fills a column in with three workers.
pub(super) struct Fill {
    pub(super) batch_time: Duration,
}

/// Many batches.
impl Default for Fill {
    fn default() -> Self {
        Self { batch_time: Duration::from_millis(10) }
    }
}

#[dunlin_backfill::migration]
impl Backfill for Fill {
    type Row = Name;
    type Change = Whole;

    fn source(&self) -> Source {
        Source::table("people").remaining("whole IS NULL")
    }

    fn settings(&self) -> Settings {
        // The application writes all the time.
        let health = Health::default().yields(false);
        Settings::default().workers(3).batch_time(self.batch_time).stripes(3).health(health)
    }

    fn convert(&self, name: &Name) -> Result<Option<Whole>, RowError> {
        let Name { id, first, last } = name;
        match Fate::of(*id) {
            Fate::Poison => Err(RowError::new("poison")),
            Fate::Skipped => Ok(None),
            Fate::Filled => Ok(Some(Whole { whole: format!("{first} {last}") })),
        }
    }
}

/// How a backfill is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// As a migration of a service that boots.
    Migration,
    /// From a process beside the service.
    Beside,
}

impl Way {
    pub(super) const ALL: [Self; 2] = [Self::Migration, Self::Beside];

    /// Runs it to its end.
    pub(super) async fn run(self, config: &Config) -> Result<(), BoxError> {
        let mut config = config.clone();
        config.application_name(SESSIONS);
        let run = async {
            match self {
                Self::Migration => migrate(&config, Fill::default()).await?,
                Self::Beside => {
                    let migrator = Migrator::new(MigrationSet::builder().build()?);
                    Backfills::new(migrator, Direct::new(config.clone(), NoTls))
                        .run("fill", &Fill::default())
                        .await?;
                }
            }
            Ok(())
        };
        tokio::time::timeout(PATIENCE, run).await.map_err(|_| format!("{self:?} does not end"))?
    }
}

/// Runs it as a migration.
pub(super) async fn migrate(config: &Config, fill: Fill) -> Result<(), BoxError> {
    let set = MigrationSet::builder().rust(1, "fill", fill).build()?;
    dunlin::migrate(config, NoTls, &Migrator::new(set)).await?;
    Ok(())
}
