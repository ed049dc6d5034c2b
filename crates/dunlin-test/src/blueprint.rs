use std::{
    fmt,
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use dunlin_core::{MigrationSet, Migrator, Target};
use dunlin_script::Position;
use tokio_postgres::{Client, error::ErrorPosition};

use crate::{
    error::{Error, Fault},
    names::Key,
    session::Facts,
};

/// How a template database is made.
#[derive(Clone)]
pub(crate) struct Blueprint {
    pub(crate) migrations: MigrationSet,
    pub(crate) target: Target,
    pub(crate) fixtures: Vec<Fixture>,
    pub(crate) configure: Option<Arc<Configure>>,
}

/// What a migrator needs besides its set.
pub(crate) type Configure = dyn Fn(Migrator) -> Migrator + Send + Sync;

/// SQL that runs after the migrations, with the name that errors give it.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Fixture {
    pub(crate) name: String,
    pub(crate) sql: String,
}

impl Fixture {
    /// Where it failed: its name, with line and column if the server says where.
    fn place(&self, error: &tokio_postgres::Error) -> String {
        match error.as_db_error().and_then(|error| error.position()) {
            Some(ErrorPosition::Original(at)) => {
                format!("{}:{}", self.name, Position::of_char(&self.sql, *at))
            }
            Some(ErrorPosition::Internal { .. }) | None => self.name.clone(),
        }
    }
}

impl Blueprint {
    pub(crate) fn of(migrations: &MigrationSet) -> Self {
        Self { migrations: migrations.clone(), target: Target::Latest, fixtures: Vec::new(), configure: None }
    }

    /// Everything that decides what is in the template is in its key: the ordered ids and checksums of the migrations, the
    /// target, the fixtures, the server's major version, and the version of this crate, which knows how to read the template's
    /// comment.
    pub(crate) fn key(&self, server: &Facts) -> Key {
        let mut hasher = DefaultHasher::new();
        self.migrations.fingerprint().as_bytes().hash(&mut hasher);
        self.target.to_string().hash(&mut hasher);
        self.fixtures.hash(&mut hasher);
        (server.version_num / 10_000, env!("CARGO_PKG_VERSION")).hash(&mut hasher);
        Key::Of(hasher.finish())
    }

    pub(crate) async fn run_fixtures(&self, client: &Client) -> Result<(), Error> {
        for fixture in &self.fixtures {
            let done = client.batch_execute(&fixture.sql).await;
            done.map_err(|source| Fault::Fixture { place: fixture.place(&source), source })?;
        }
        Ok(())
    }

    pub(crate) fn migrator(&self) -> Migrator {
        let migrator = Migrator::new(self.migrations.clone());
        match &self.configure {
            Some(configure) => configure(migrator),
            None => migrator,
        }
    }
}

impl fmt::Debug for Blueprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blueprint")
            .field("migrations", &self.migrations.len())
            .field("target", &self.target)
            .field("fixtures", &self.fixtures.len())
            .finish_non_exhaustive()
    }
}
