use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use benches::{Contestant, Failure, Opened, Place, Prepared, Script};
use diesel::connection::{BoxableConnection, Connection};
use diesel::migration::{
    Migration, MigrationMetadata, MigrationName, MigrationSource, MigrationVersion, Result as DieselResult,
};
use diesel::pg::{Pg, PgConnection};
use diesel_migrations::MigrationHarness;
use tokio::task::spawn_blocking;

/// diesel_migrations on libpq, as services that are asynchronous use it: on a thread for blocking work.
#[derive(Clone, Copy, Debug, Default)]
pub struct Diesel;

impl Contestant for Diesel {
    fn name(&self) -> String {
        "diesel 2.3".to_owned()
    }

    fn way(&self) -> &'static str {
        "`connection.run_pending_migrations(MIGRATIONS)` on an open `PgConnection`, in `spawn_blocking`"
    }

    fn prepare(&self, scripts: &[Script]) -> Result<Arc<dyn Prepared>, Failure> {
        let step = |script: &Script| Step {
            name: format!("{:06}_{}", script.version, script.name),
            version: format!("{:06}", script.version),
            sql: script.sql.clone(),
        };
        Ok(Arc::new(Boot { steps: scripts.iter().map(step).map(Arc::new).collect() }))
    }
}

struct Step {
    name: String,
    version: String,
    sql: String,
}

/// A step as `embed_migrations!` would have it.
struct Embedded(Arc<Step>);

impl MigrationName for Embedded {
    fn version(&self) -> MigrationVersion<'_> {
        self.0.version.as_str().into()
    }
}

impl fmt::Display for Embedded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.name)
    }
}

impl MigrationMetadata for Embedded {}

impl Migration<Pg> for Embedded {
    fn run(&self, connection: &mut dyn BoxableConnection<Pg>) -> DieselResult<()> {
        Ok(connection.batch_execute(&self.0.sql)?)
    }

    fn revert(&self, _: &mut dyn BoxableConnection<Pg>) -> DieselResult<()> {
        Err("up only".into())
    }

    fn metadata(&self) -> &dyn MigrationMetadata {
        self
    }

    fn name(&self) -> &dyn MigrationName {
        self
    }
}

#[derive(Clone)]
struct Source(Arc<[Arc<Step>]>);

impl MigrationSource<Pg> for Source {
    fn migrations(&self) -> DieselResult<Vec<Box<dyn Migration<Pg>>>> {
        Ok(self
            .0
            .iter()
            .map(|step| -> Box<dyn Migration<Pg>> { Box::new(Embedded(Arc::clone(step))) })
            .collect())
    }
}

struct Boot {
    steps: Arc<[Arc<Step>]>,
}

#[async_trait]
impl Prepared for Boot {
    async fn open(&self, place: &Place) -> Result<Box<dyn Opened>, Failure> {
        let mut url = format!(
            "host='{}' port={} user='{}' dbname='{}' sslmode=disable",
            place.host(),
            place.port(),
            place.user(),
            place.database()
        );
        if let Some(password) = place.password() {
            url.push_str(&format!(" password='{password}'"));
        }
        let connection = spawn_blocking(move || PgConnection::establish(&url)).await??;
        Ok(Box::new(Session { source: Source(Arc::clone(&self.steps)), connection: Some(connection) }))
    }
}

struct Session {
    source: Source,
    connection: Option<PgConnection>,
}

#[async_trait]
impl Opened for Session {
    async fn migrate(&mut self) -> Result<(), Failure> {
        let mut connection = self.connection.take().ok_or("an earlier call has lost the connection")?;
        let source = self.source.clone();
        let work = move || {
            let outcome = connection.run_pending_migrations(source).map(drop);
            (outcome, connection)
        };
        let (outcome, connection) = spawn_blocking(work).await?;
        self.connection = Some(connection);
        outcome
    }
}
