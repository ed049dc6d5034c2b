//! What the desk promises. Each test has a database of its own, in which all migrations are applied and nothing else has
//! happened; no test says a word about that beyond its first line.

mod catalogue;
mod loans;
mod members;
mod waiting;

use deadpool_postgres::Pool;
use dunlin_test::{BoxError, FromTestDatabase, TestDatabase};

use crate::{Desk, DeskError};

/// A test may ask for a desk. In a crate of its own below `tests/`, this would be of a type of that crate, around a desk.
impl FromTestDatabase for Desk {
    async fn from_test_database(database: &TestDatabase) -> Result<Self, BoxError> {
        Ok(Self::new(Pool::from_test_database(database).await?))
    }
}

/// The desk with some tools in the shed, which have the numbers from 1.
async fn fill(desk: &Desk, tools: &[&str]) -> Result<(), DeskError> {
    for tool in tools {
        desk.add(tool, "wood", 1_000).await?;
    }
    Ok(())
}
