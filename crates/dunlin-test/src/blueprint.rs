use std::hash::{DefaultHasher, Hash, Hasher};

use dunlin_core::{Migrator, Target};
use dunlin_script::Position;
use tokio_postgres::{Client, error::ErrorPosition};

use crate::{
    error::{Error, Fault},
    names::Key,
    session::Facts,
    subject::Subject,
};

/// How a template database is made.
#[derive(Clone, Debug)]
pub(crate) struct Blueprint {
    pub(crate) subject: Subject,
    pub(crate) target: Target,
    pub(crate) fixtures: Vec<Fixture>,
}

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
    pub(crate) fn of(subject: Subject) -> Self {
        Self { subject, target: Target::Latest, fixtures: Vec::new() }
    }

    /// Everything that decides what is in the template is in its key: the ordered ids and checksums of the migrations, the
    /// role, `search_path` and history that are not the usual ones, the target, the fixtures, the server's major version, and the version of this crate, which knows how to read the template's
    /// comment.
    pub(crate) fn key(&self, server: &Facts) -> Key {
        let mut hasher = DefaultHasher::new();
        self.subject.fingerprint().as_bytes().hash(&mut hasher);
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
        self.subject.migrator()
    }
}
