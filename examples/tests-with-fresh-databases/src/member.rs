use std::time::SystemTime;

use tokio_postgres::{Error, Row};

/// Somebody who may borrow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Their number, from 1.
    pub id: i64,
    /// What they are called.
    pub name: String,
    /// Where they are written to. No two members have the same.
    pub email: String,
    /// When they joined, by the database's clock.
    pub joined_at: SystemTime,
}

impl TryFrom<Row> for Member {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            email: row.try_get("email")?,
            joined_at: row.try_get("joined_at")?,
        })
    }
}
