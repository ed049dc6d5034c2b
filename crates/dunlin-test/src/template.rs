use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use dunlin_core::Direct;
use tokio_postgres::{Client, NoTls};

use crate::{
    blueprint::Blueprint,
    error::{Error, Fault},
    home::Home,
    home_sql::{self, Kind},
    manifest::{self, DatabaseSettings, Manifest},
    names::Key,
    session,
};

/// How many seconds may pass until a use is noted again.
const DAY: u64 = 86_400;

/// For how long the sessions that built a template may take to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A template database that is complete: sealed, so that nobody gets in, and marked as a template.
#[derive(Debug)]
pub(crate) struct Template {
    key: Key,
    name: String,
    manifest: Manifest,
}

impl Template {
    /// What databases without migrations are copied from. Nobody has left anything in it.
    pub(crate) fn empty() -> Arc<Self> {
        Arc::new(Self { key: Key::Empty, name: "template0".to_owned(), manifest: Manifest::default() })
    }

    pub(crate) fn key(&self) -> Key {
        self.key
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub(crate) fn settings(&self) -> &DatabaseSettings {
        &self.manifest.settings
    }

    /// Whether a used copy may come back.
    pub(crate) fn is_cleanable(&self) -> bool {
        self.manifest.is_cleanable
    }

    /// Finds the template, or builds it.
    ///
    /// Whoever comes first builds it, under a lock of its name that ends with the connection. What a builder who has died
    /// has left is no template yet; the next one drops it and begins anew.
    pub(crate) async fn find_or_build(
        home: &Home,
        key: Key,
        blueprint: &Blueprint,
    ) -> Result<Arc<Self>, Error> {
        let name = home.facts().names.template(key);
        let asked = |source| Fault::Ask { source };
        let life = home.life().await?;
        if let Some(found) = Self::find(&life, key, &name).await? {
            return Ok(found);
        }
        drop(life);
        let builder = home.connect().await?;
        home_sql::lock(&builder, &name).await.map_err(asked)?;
        if let Some(found) = Self::find(&builder, key, &name).await? {
            return Ok(found);
        }
        let created = async {
            home_sql::drop_template(&builder, &name).await?;
            home_sql::create(&builder, &name, "template0", home.strategy(&Manifest::default())).await
        };
        created.await.map_err(|source| Fault::Create { name: name.clone(), source })?;
        match build(home, &builder, key, &name, blueprint).await {
            Ok(manifest) => Ok(Arc::new(Self { key, name, manifest })),
            Err(error) => {
                let _ = home_sql::drop(&builder, Kind::Database, &name).await;
                Err(error)
            }
        }
    }

    async fn find(client: &Client, key: Key, name: &str) -> Result<Option<Arc<Self>>, Error> {
        let comment = home_sql::sealed(client, name).await.map_err(|source| Fault::Ask { source })?;
        let Some(comment) = comment else { return Ok(None) };
        // A comment that can't be read is not ours: it is built anew.
        let manifest = Manifest::from_comment(&comment);
        if let Some(manifest) = &manifest
            && Manifest::last_used(&comment).is_none_or(|used| manifest::now().saturating_sub(used) > DAY)
        {
            // Somebody else may be noting it at this moment.
            if let Err(error) = home_sql::comment(client, Kind::Database, name, &manifest.to_comment()).await
            {
                tracing::debug!(%error, name, "could not note that a template database is in use");
            }
        }
        Ok(manifest.map(|manifest| Arc::new(Self { key, name: name.to_owned(), manifest })))
    }
}

/// Fills the database and seals it.
async fn build(
    home: &Home,
    builder: &Client,
    key: Key,
    name: &str,
    blueprint: &Blueprint,
) -> Result<Manifest, Error> {
    let mut config = home.config().clone();
    config.dbname(name);
    let migrator = blueprint.migrator();
    let migrating = dunlin_core::migrate_to(&config, NoTls, &migrator, blueprint.target);
    migrating.await.map_err(|source| Fault::Migration { source })?;
    // Whatever a service does after its boot, a test finds it done.
    let finishing = migrator.finish_backfills(&Direct::new(config.clone(), NoTls)).await;
    finishing.map_err(|source| Fault::Migration { source })?;
    let inside = session::connect(&config).await;
    let inside =
        inside.map_err(|source| Fault::Connect { to: format!("the template database {name}"), source })?;
    blueprint.run_fixtures(&inside).await?;
    // A fixture may have left settings, a role or a transaction.
    let asked = |source| Fault::Ask { source };
    inside.batch_execute("ROLLBACK").await.map_err(asked)?;
    inside.batch_execute("DISCARD ALL").await.map_err(asked)?;
    let mut manifest = Manifest::read(&inside).await.map_err(asked)?;
    drop(inside);
    alone(builder, name).await.map_err(asked)?;
    manifest.can_share_blocks = home.can_share_blocks(builder, key, name).await;
    home_sql::seal(builder, name, &manifest.to_comment()).await.map_err(asked)?;
    Ok(manifest)
}

/// Waits until nobody is in the database any more: one session would hold up the first copy.
async fn alone(client: &Client, name: &str) -> Result<(), tokio_postgres::Error> {
    let began = Instant::now();
    while home_sql::sessions(client, name).await? > 0 && began.elapsed() < PATIENCE {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(())
}
