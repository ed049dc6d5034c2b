use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use tokio_postgres::Client;

use crate::{Batch, Contestant, Failure, Place, Script};

/// Open connections to the maintenance database of a server, for those who make databases by themselves.
#[derive(Debug)]
pub(crate) struct Maintenance {
    place: Place,
    open: Mutex<Vec<Client>>,
}

/// Behind the names of databases.
static COUNT: AtomicU64 = AtomicU64::new(0);

impl Maintenance {
    pub(crate) fn new(place: &Place) -> Self {
        Self { place: place.clone(), open: Mutex::default() }
    }

    /// Opens connections until there are so many.
    pub(crate) async fn ready(&self, connections: usize) -> Result<(), Failure> {
        let mut open = Vec::new();
        for _ in 0..connections {
            open.push(self.connection().await?);
        }
        open.into_iter().for_each(|client| self.rest(client));
        Ok(())
    }

    /// Creates a database. The options follow its name in the statement.
    pub(crate) async fn create(&self, options: &str) -> Result<Place, Failure> {
        let name = format!("bench_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.execute(&format!("CREATE DATABASE {name} {options}")).await?;
        Ok(self.place.of(&name))
    }

    /// Drops it with everybody in it.
    pub(crate) async fn remove(&self, database: &Place) -> Result<(), Failure> {
        self.execute(&format!("DROP DATABASE {} WITH (FORCE)", database.database())).await
    }

    /// Makes a template, which nobody can enter.
    pub(crate) async fn template(&self, scripts: &[Script]) -> Result<Place, Failure> {
        let template = self.create("").await?;
        let mut opened = Batch.prepare(scripts)?.open(&template).await?;
        opened.migrate().await?;
        opened.close().await?;
        self.execute(&format!("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false", template.database())).await?;
        Ok(template)
    }

    async fn execute(&self, sql: &str) -> Result<(), Failure> {
        let client = self.connection().await?;
        client.batch_execute(sql).await?;
        self.rest(client);
        Ok(())
    }

    async fn connection(&self) -> Result<Client, Failure> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match open {
            Some(client) => Ok(client),
            None => self.place.connect().await,
        }
    }

    fn rest(&self, client: Client) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).push(client);
    }
}
