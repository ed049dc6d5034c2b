use std::sync::Arc;

use async_trait::async_trait;
use benches::{Contestant, Failure, Opened, Place, Prepared, Script};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{Connection, PgConnection, SqlSafeStr};

/// sqlx and its `migrate!`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sqlx;

impl Contestant for Sqlx {
    fn name(&self) -> String {
        "sqlx 0.9".to_owned()
    }

    fn way(&self) -> &'static str {
        "`Migrator::run(&mut connection)` on an open connection, as `migrate!()` gives it"
    }

    fn prepare(&self, scripts: &[Script]) -> Result<Arc<dyn Prepared>, Failure> {
        Ok(Arc::new(Boot { migrator: Arc::new(migrator(scripts)) }))
    }
}

struct Boot {
    migrator: Arc<Migrator>,
}

#[async_trait]
impl Prepared for Boot {
    async fn open(&self, place: &Place) -> Result<Box<dyn Opened>, Failure> {
        let connection = PgConnection::connect_with(&connect_options(place)).await?;
        Ok(Box::new(Session { migrator: Arc::clone(&self.migrator), connection }))
    }
}

struct Session {
    migrator: Arc<Migrator>,
    connection: PgConnection,
}

#[async_trait]
impl Opened for Session {
    async fn migrate(&mut self) -> Result<(), Failure> {
        // What `run(&mut connection)` does; that one does not compile inside a future that is `Send` for every lifetime.
        self.migrator.run_direct(None, &mut self.connection, false).await?;
        Ok(())
    }

    async fn close(self: Box<Self>) -> Result<(), Failure> {
        self.connection.close().await?;
        Ok(())
    }
}

/// What `migrate!()` gives.
pub(crate) fn migrator(scripts: &[Script]) -> Migrator {
    let migration = |script: &Script| {
        let sql = sqlx::AssertSqlSafe(script.sql.clone()).into_sql_str();
        Migration::new(script.version, script.name.clone().into(), MigrationType::Simple, sql, false)
    };
    Migrator::with_migrations(scripts.iter().map(migration).collect())
}

/// The way to the place, for sqlx and what stands on it.
pub(crate) fn connect_options(place: &Place) -> PgConnectOptions {
    let options = PgConnectOptions::new_without_pgpass()
        .host(place.host())
        .port(place.port())
        .username(place.user())
        .database(place.database())
        .ssl_mode(PgSslMode::Disable);
    let options = match place.folder() {
        Some(folder) => options.socket(folder),
        None => options,
    };
    match place.password() {
        Some(password) => options.password(password),
        None => options,
    }
}
