use std::sync::Arc;

use async_trait::async_trait;

use crate::{Failure, Place, Script};

/// A way in which tests get databases that have the migrations applied.
#[async_trait]
pub trait Supplier: Send + Sync {
    /// Its name and version.
    fn name(&self) -> String;

    /// What is done, for the legend below the table.
    fn way(&self) -> &'static str;

    /// Makes whatever is made once for all tests, which is not timed.
    ///
    /// # Errors
    /// When the supplier can't take these migrations.
    async fn open(&self, maintenance: &Place, scripts: &[Script]) -> Result<Arc<dyn Supply>, Failure>;
}

/// A supplier on a server, with its migrations.
#[async_trait]
pub trait Supply: Send + Sync {
    /// Does what is done before so many tests begin at once. It is not timed.
    ///
    /// # Errors
    /// When it can't.
    async fn ready(&self, _tests: usize) -> Result<(), Failure> {
        Ok(())
    }

    /// Gives a test its database with a connection that has answered. This is what is timed.
    ///
    /// # Errors
    /// When it can't.
    async fn supply(&self) -> Result<Box<dyn Supplied>, Failure>;
}

/// The database of a test, and its connection.
#[async_trait]
pub trait Supplied: Send {
    /// Gives the database up when the test is over, which is not timed.
    ///
    /// # Errors
    /// When it can't.
    async fn give_up(self: Box<Self>) -> Result<(), Failure>;
}
