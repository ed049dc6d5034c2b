use std::sync::Arc;

use async_trait::async_trait;

use crate::bare::{Made, connect};
use crate::maintenance::Maintenance;
use crate::{Contestant, Failure, Place, Prepared, Script, Supplied, Supplier, Supply};

/// A new database for each test, in which a contestant applies the migrations.
#[derive(Clone, Copy, Debug, Default)]
pub struct Anew<C>(pub C);

#[async_trait]
impl<C: Contestant> Supplier for Anew<C> {
    fn name(&self) -> String {
        format!("{}, all migrations", self.0.name())
    }

    fn way(&self) -> &'static str {
        "`CREATE DATABASE` over an open connection, a connection that migrates it, and another with `SELECT 1`"
    }

    async fn open(&self, maintenance: &Place, scripts: &[Script]) -> Result<Arc<dyn Supply>, Failure> {
        let maintenance = Arc::new(Maintenance::new(maintenance));
        Ok(Arc::new(Migrated { maintenance, prepared: self.0.prepare(scripts)? }))
    }
}

struct Migrated {
    maintenance: Arc<Maintenance>,
    prepared: Arc<dyn Prepared>,
}

#[async_trait]
impl Supply for Migrated {
    async fn ready(&self, tests: usize) -> Result<(), Failure> {
        self.maintenance.ready(tests).await
    }

    async fn supply(&self) -> Result<Box<dyn Supplied>, Failure> {
        let place = self.maintenance.create("").await?;
        let mut opened = self.prepared.open(&place).await?;
        opened.migrate().await?;
        opened.close().await?;
        let client = connect(&place).await?;
        Ok(Box::new(Made { maintenance: Arc::clone(&self.maintenance), place, _client: client }))
    }
}
