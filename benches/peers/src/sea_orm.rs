use std::sync::Arc;

use async_trait::async_trait;
use benches::{Contestant, Failure, Opened, Place, Prepared, Script};
use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, SqlxPostgresConnector};
use sea_orm_migration::{MigrationName, MigrationTrait, MigratorTraitSelf, SchemaManager};
use sqlx::postgres::PgPoolOptions;

use crate::sqlx::connect_options;

/// sea-orm-migration, on sqlx.
#[derive(Clone, Copy, Debug, Default)]
pub struct SeaOrm;

impl Contestant for SeaOrm {
    fn name(&self) -> String {
        "sea-orm 2.0".to_owned()
    }

    fn way(&self) -> &'static str {
        "`Migrator::up(&db, None)` on a `DatabaseConnection` whose pool holds one open connection; \
         each migration is an `execute_unprepared` of its SQL"
    }

    fn prepare(&self, scripts: &[Script]) -> Result<Arc<dyn Prepared>, Failure> {
        let step = |script: &Script| Step {
            name: format!("m{:06}_{}", script.version, script.name),
            sql: script.sql.as_str().into(),
        };
        Ok(Arc::new(Boot { migrator: Migrator { steps: scripts.iter().map(step).collect() } }))
    }
}

#[derive(Clone)]
struct Step {
    name: String,
    sql: Arc<str>,
}

impl MigrationName for Step {
    fn name(&self) -> &str {
        &self.name
    }
}

#[async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(&self.sql).await.map(drop)
    }
}

#[derive(Clone)]
struct Migrator {
    steps: Arc<[Step]>,
}

impl MigratorTraitSelf for Migrator {
    fn migrations(&self) -> Vec<Box<dyn MigrationTrait>> {
        self.steps.iter().map(|step| -> Box<dyn MigrationTrait> { Box::new(step.clone()) }).collect()
    }
}

struct Boot {
    migrator: Migrator,
}

#[async_trait]
impl Prepared for Boot {
    async fn open(&self, place: &Place) -> Result<Box<dyn Opened>, Failure> {
        let pool = PgPoolOptions::new().max_connections(1).test_before_acquire(false);
        let pool = pool.connect_with(connect_options(place)).await?;
        let database = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
        Ok(Box::new(Session { migrator: self.migrator.clone(), database }))
    }
}

struct Session {
    migrator: Migrator,
    database: DatabaseConnection,
}

#[async_trait]
impl Opened for Session {
    async fn migrate(&mut self) -> Result<(), Failure> {
        self.migrator.up(&self.database, None).await?;
        Ok(())
    }

    async fn close(self: Box<Self>) -> Result<(), Failure> {
        self.database.close().await?;
        Ok(())
    }
}
