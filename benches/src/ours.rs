use std::sync::Arc;

use async_trait::async_trait;
use dunlin::{MigrationSet, Migrator, Target};
use tokio_postgres::{Client, NoTls};

use crate::{Contestant, Failure, Opened, Place, Prepared, Script};

/// This library.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dunlin;

impl Contestant for Dunlin {
    fn name(&self) -> String {
        "**dunlin**".to_owned()
    }

    fn way(&self) -> &'static str {
        "`Migrator::run` on an open connection; replicas: `dunlin::migrate`, which opens one of its own"
    }

    fn prepare(&self, scripts: &[Script]) -> Result<Arc<dyn Prepared>, Failure> {
        Ok(Arc::new(Boot { migrator: Migrator::new(Self::set(scripts)?) }))
    }
}

impl Dunlin {
    /// The migrations as a set.
    pub(crate) fn set(scripts: &[Script]) -> Result<MigrationSet, Failure> {
        let add = |set: dunlin::MigrationSetBuilder, script: &Script| {
            set.sql(script.version, &script.name, &script.sql)
        };
        Ok(scripts.iter().fold(MigrationSet::builder(), add).build()?)
    }
}

struct Boot {
    migrator: Migrator,
}

#[async_trait]
impl Prepared for Boot {
    async fn open(&self, place: &Place) -> Result<Box<dyn Opened>, Failure> {
        Ok(Box::new(Session { migrator: self.migrator.clone(), client: place.connect().await? }))
    }

    async fn boot(&self, place: &Place) -> Result<(), Failure> {
        dunlin::migrate(place.config(), NoTls, &self.migrator).await?;
        Ok(())
    }
}

struct Session {
    migrator: Migrator,
    client: Client,
}

#[async_trait]
impl Opened for Session {
    async fn migrate(&mut self) -> Result<(), Failure> {
        self.migrator.run(&mut self.client, Target::Latest).await?;
        Ok(())
    }
}
