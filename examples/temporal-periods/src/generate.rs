//! Something to try it on, the same for the same seed.

mod cast;
mod contents;
mod documents;
mod tables;
mod words;

use fastrand::Rng;
use tokio_postgres::{Client, Error};

use crate::generate::cast::Cast;
use crate::generate::tables::Tables;

/// Fills the tables of the old schema, which must be empty.
///
/// There is one of everything that a backfill might stumble over: entities without contents, with one, and with two of the same moment;
/// a topic that has a third of everything; deleted entities, be they marked or gone, that have contents; contents that were not crawled in
/// the order of their publication; documents that are large, deep, empty, no objects, or have numbers that no program
/// can hold; names with quotes, and of many languages; times of many zones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generator {
    contents: u64,
    seed: u64,
}

impl Generator {
    /// The fewest contents with which there is one of everything.
    pub const FEWEST: u64 = 10;

    /// So many contents as a test of patience.
    pub const MOST: u64 = 1_000_000;

    /// So many contents.
    #[must_use]
    pub fn new(contents: u64, seed: u64) -> Self {
        Self { contents: contents.clamp(Self::FEWEST, Self::MOST), seed }
    }

    /// Fills the tables in one transaction, and tells how many contents are written.
    ///
    /// # Errors
    ///
    /// What the server says.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future undoes it.
    pub async fn fill(&self, client: &mut Client, tell: impl Fn(u64)) -> Result<(), Error> {
        let cast = Cast::of(self.contents);
        let mut rng = Rng::with_seed(self.seed);
        let transaction = client.transaction().await?;
        let tables = Tables { client: transaction.client(), cast: &cast, contents: self.contents };
        tables.topics_and_users(&mut rng).await?;
        tables.contents(&mut rng, tell).await?;
        tables.tasks(&mut rng).await?;
        tables.chat_messages(&mut rng).await?;
        tables.set_sequences().await?;
        transaction.commit().await?;
        // The server would do so by itself within a minute.
        client.batch_execute("ANALYZE").await
    }
}
