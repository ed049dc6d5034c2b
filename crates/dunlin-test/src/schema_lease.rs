use std::sync::Arc;

use dunlin_core::{HistoryTable, Migrator};
use tokio_postgres::{Config, NoTls};

use crate::{
    blueprint::Blueprint,
    error::{Error, Fault},
    home::Home,
    home_sql::Kind,
    server::Server,
    session,
};

/// A schema that is somebody's until this is dropped: then it is, too, in the background.
#[derive(Debug)]
pub(crate) struct SchemaLease {
    server: Server,
    home: Arc<Home>,
    name: String,
    is_kept: bool,
}

impl SchemaLease {
    /// Creates a schema and migrates it.
    pub(crate) async fn create(
        server: &Server,
        home: &Arc<Home>,
        blueprint: &Blueprint,
    ) -> Result<Self, Error> {
        let key = blueprint.key(server.facts());
        let name = home.create_schema(key).await?;
        // From here on a drop of the future drops the schema.
        let lease = Self { server: server.clone(), home: home.clone(), name, is_kept: false };
        let migrator = lease.migrator(blueprint.migrator());
        let config = lease.config();
        let migrating = dunlin_core::migrate_to(&config, NoTls, &migrator, blueprint.target);
        migrating.await.map_err(|source| Fault::Migration { source })?;
        if !blueprint.fixtures.is_empty() {
            let to = || format!("the schema {}", lease.name);
            let client = session::connect(&lease.config()).await;
            let client = client.map_err(|source| Fault::Connect { to: to(), source })?;
            blueprint.run_fixtures(&client).await?;
        }
        Ok(lease)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn server(&self) -> &Server {
        &self.server
    }

    pub(crate) fn config(&self) -> Config {
        let mut config = self.server.config();
        let options = config.get_options().map(|options| format!("{options} ")).unwrap_or_default();
        config.options(format!("{options}-c search_path={},public", self.name));
        config
    }

    pub(crate) fn url(&self) -> String {
        self.server.url_with_search_path(&self.name)
    }

    /// The migrator, with its history in the schema.
    pub(crate) fn migrator(&self, migrator: Migrator) -> Migrator {
        let migrator = migrator.search_path(format!("{}, public", self.name));
        // Names of our own making are identifiers.
        match HistoryTable::new(&self.name, "dunlin_history") {
            Ok(history) => migrator.history(history.beside_others()),
            Err(_) => migrator,
        }
    }

    pub(crate) fn keep(&mut self, test: &str) {
        self.home.keep(Kind::Schema, &self.name, test);
        self.server.keep_running();
        self.is_kept = true;
    }
}

impl Drop for SchemaLease {
    fn drop(&mut self) {
        if !self.is_kept {
            self.home.discard(Kind::Schema, self.name.clone());
        }
    }
}
