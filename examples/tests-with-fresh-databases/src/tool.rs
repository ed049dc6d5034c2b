use tokio_postgres::{Error, Row};

/// Something to borrow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// Its number, from 1.
    pub id: i64,
    /// What it is.
    pub name: String,
    /// What it is for, which says how long it may stay away.
    pub category: String,
    /// What is left at the desk for it.
    pub deposit_cents: i32,
}

impl TryFrom<Row> for Tool {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        Ok(Self {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            category: row.try_get("category")?,
            deposit_cents: row.try_get("deposit_cents")?,
        })
    }
}
