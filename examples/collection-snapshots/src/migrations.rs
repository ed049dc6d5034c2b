use dunlin::Migrator;
use tokio_postgres::{Client, Error};

/// How this service migrates itself.
#[must_use]
pub fn migrator() -> Migrator {
    Migrator::new(dunlin::embed!("migrations")).application("collection-snapshots")
}

/// How far the shell script had got with a database before dunlin came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Legacy {
    /// The database is new: there is nothing in it.
    Fresh,
    /// The old tables with their rows, and so many statements of the snapshot script on top.
    Statements(usize),
    /// The old tables with their rows, and a draft of the snapshot script that had other types.
    Draft,
}

impl Legacy {
    /// How many statements the snapshot script has.
    pub const STATEMENTS: usize = 4;

    const TABLES: &str = include_str!("../legacy/0_tables.sql");
    const ROWS: &str = include_str!("../legacy/rows.sql");
    const SNAPSHOTS: &str = include_str!("../legacy/1_snapshots.sql");
    const DRAFT: &str = include_str!("../legacy/1_snapshots_draft.sql");

    /// Brings an empty database into this state, as the shell script did: statement by statement, without a transaction.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn prepare(self, client: &Client) -> Result<(), Error> {
        if self == Self::Fresh {
            return Ok(());
        }
        client.batch_execute(Self::TABLES).await?;
        client.batch_execute(Self::ROWS).await?;
        match self {
            Self::Fresh => {}
            Self::Draft => client.batch_execute(Self::DRAFT).await?,
            Self::Statements(count) => {
                // No literal of the script has a semicolon in it.
                for statement in Self::SNAPSHOTS.split_inclusive(';').take(count) {
                    client.batch_execute(statement).await?;
                }
            }
        }
        Ok(())
    }
}
