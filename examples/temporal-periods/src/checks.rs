//! What must be so when the layer is there and period 0 is filled, as queries that count.

mod queries;

use std::fmt;

use tokio_postgres::{Client, Error, IsolationLevel, Transaction};

use crate::checks::queries::{OBJECTS, ROWS};

/// The checks, with what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checks(Vec<Checked>);

/// What one check has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// What is counted.
    pub name: &'static str,
    /// How much of it there is.
    pub found: i64,
    /// How much there should be.
    pub wanted: i64,
}

impl Checks {
    /// Counts everything, in one transaction that sees one state of the database. As long as tables, columns or other objects are
    /// missing it counts only these.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn run(client: &mut Client) -> Result<Self, Error> {
        let transaction = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead);
        let transaction = transaction.read_only(true).start().await?;
        let checks = Self::run_in(&transaction).await?;
        transaction.commit().await?;
        Ok(checks)
    }

    /// The same, as a transaction sees it.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn run_in(transaction: &Transaction<'_>) -> Result<Self, Error> {
        let mut checks = Self(Vec::with_capacity(OBJECTS.len() + ROWS.len()));
        for (name, sql) in OBJECTS {
            checks.0.push(Checked::count(transaction, name, sql).await?);
        }
        if checks.failed().count() == 0 {
            for (name, sql) in ROWS {
                checks.0.push(Checked::count(transaction, name, sql).await?);
            }
        }
        Ok(checks)
    }

    /// Each check.
    #[must_use]
    pub fn all(&self) -> &[Checked] {
        &self.0
    }

    /// Those that have found something else than they should.
    pub fn failed(&self) -> impl Iterator<Item = &Checked> {
        self.0.iter().filter(|checked| !checked.is_right())
    }
}

impl Checked {
    async fn count(transaction: &Transaction<'_>, name: &'static str, sql: &str) -> Result<Self, Error> {
        let row = transaction.query_one(sql, &[]).await?;
        Ok(Self { name, found: row.try_get(0)?, wanted: row.try_get(1)? })
    }

    /// Whether it is as it should be.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.found == self.wanted
    }
}

impl fmt::Display for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, checked) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            checked.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, found, wanted } = self;
        match self.is_right() {
            true => write!(f, "ok     {name:<54}{found:>9}"),
            false => write!(f, "WRONG  {name:<54}{found:>9}, should be {wanted}"),
        }
    }
}
