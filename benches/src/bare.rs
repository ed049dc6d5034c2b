use std::sync::Arc;

use async_trait::async_trait;
use tokio_postgres::Client;

use crate::maintenance::Maintenance;
use crate::{Failure, Place, Script, Supplied, Supplier, Supply};

/// The least that a connection can cost: to a database that is there.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BareConnection;

/// The least that a new database can cost: a copy of a template, by this strategy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BareCopy(pub(crate) &'static str);

#[async_trait]
impl Supplier for BareConnection {
    fn name(&self) -> String {
        "a connection".to_owned()
    }

    fn way(&self) -> &'static str {
        "tokio-postgres, to a database that is there, and `SELECT 1`"
    }

    async fn open(&self, maintenance: &Place, _: &[Script]) -> Result<Arc<dyn Supply>, Failure> {
        Ok(Arc::new(There { place: Maintenance::new(maintenance).create("").await? }))
    }
}

struct There {
    place: Place,
}

#[async_trait]
impl Supply for There {
    async fn supply(&self) -> Result<Box<dyn Supplied>, Failure> {
        Ok(Box::new(Connected { _client: connect(&self.place).await? }))
    }
}

struct Connected {
    _client: Client,
}

#[async_trait]
impl Supplied for Connected {
    async fn give_up(self: Box<Self>) -> Result<(), Failure> {
        Ok(())
    }
}

#[async_trait]
impl Supplier for BareCopy {
    fn name(&self) -> String {
        format!("`CREATE DATABASE`, `{}`", self.0)
    }

    fn way(&self) -> &'static str {
        "over an open connection, from a template that nobody can enter; then a connection and `SELECT 1`"
    }

    async fn open(&self, maintenance: &Place, scripts: &[Script]) -> Result<Arc<dyn Supply>, Failure> {
        let maintenance = Maintenance::new(maintenance);
        let template = maintenance.template(scripts).await?;
        let options = format!("TEMPLATE {} STRATEGY {}", template.database(), self.0);
        Ok(Arc::new(Copies { maintenance: Arc::new(maintenance), options }))
    }
}

struct Copies {
    maintenance: Arc<Maintenance>,
    options: String,
}

#[async_trait]
impl Supply for Copies {
    async fn ready(&self, tests: usize) -> Result<(), Failure> {
        self.maintenance.ready(tests).await
    }

    async fn supply(&self) -> Result<Box<dyn Supplied>, Failure> {
        let place = self.maintenance.create(&self.options).await?;
        let client = connect(&place).await?;
        Ok(Box::new(Made { maintenance: Arc::clone(&self.maintenance), place, _client: client }))
    }
}

/// A database that was made by hand.
pub(crate) struct Made {
    pub(crate) maintenance: Arc<Maintenance>,
    pub(crate) place: Place,
    pub(crate) _client: Client,
}

#[async_trait]
impl Supplied for Made {
    async fn give_up(self: Box<Self>) -> Result<(), Failure> {
        self.maintenance.remove(&self.place).await
    }
}

/// Opens a connection that has answered.
pub(crate) async fn connect(place: &Place) -> Result<Client, Failure> {
    let client = place.connect().await?;
    client.simple_query("SELECT 1").await?;
    Ok(client)
}
