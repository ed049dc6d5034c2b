use std::sync::Arc;

use async_trait::async_trait;

use crate::{Place, Script};

/// What went wrong. A benchmark only counts and shows it.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Something that takes migrations to a database.
pub trait Contestant: Send + Sync {
    /// Its name and version.
    fn name(&self) -> String;

    /// What is called, and how, for the legend below the table.
    fn way(&self) -> &'static str;

    /// Makes whatever holds the migrations in a program. It is not timed: programs embed them when they are compiled.
    ///
    /// # Errors
    /// When the contestant can't take these migrations.
    fn prepare(&self, scripts: &[Script]) -> Result<Arc<dyn Prepared>, Failure>;
}

/// A contestant with its migrations.
#[async_trait]
pub trait Prepared: Send + Sync {
    /// Opens a connection, which is not timed.
    ///
    /// # Errors
    /// When it can't.
    async fn open(&self, place: &Place) -> Result<Box<dyn Opened>, Failure>;

    /// Does all that a service does on boot, connecting and disconnecting included.
    ///
    /// # Errors
    /// When the service would not have booted.
    async fn boot(&self, place: &Place) -> Result<(), Failure> {
        let mut opened = self.open(place).await?;
        opened.migrate().await?;
        opened.close().await
    }
}

/// A contestant with its migrations on an open connection.
#[async_trait]
pub trait Opened: Send {
    /// Takes the database to the latest migration. This is what is timed.
    ///
    /// # Errors
    /// When it can't.
    async fn migrate(&mut self) -> Result<(), Failure>;

    /// Closes the connection, so that the database can be dropped.
    ///
    /// # Errors
    /// When it can't.
    async fn close(self: Box<Self>) -> Result<(), Failure> {
        Ok(())
    }
}
