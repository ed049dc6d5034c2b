use dunlin::BoxError;
use dunlin_test::{Database, Server};
use tokio_postgres::NoTls;

use crate::{Release, seed};

/// A database as release 1 has left it, with rows in it, and as many copies as are asked for.
#[derive(Debug)]
pub struct Copies {
    server: Server,
    original: Database,
}

impl Copies {
    /// The original, with so many utterances.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn of(server: &Server, rows: u64) -> Result<Self, BoxError> {
        let original = server.create_database().await?;
        let mut client = original.connect().await?;
        dunlin::migrate(&original.config(), NoTls, &Release::One.migrator("0")).await?;
        seed(&mut client, rows).await?;
        Ok(Self { server: server.clone(), original })
    }

    /// A copy of it, which is a database of its own.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn make(&self) -> Result<Database, BoxError> {
        // What makes and drops databases knows this one by its name.
        let copy = self.server.create_database().await?;
        let (client, connection) = self.server.config().connect(NoTls).await?;
        let connection = tokio::spawn(connection);
        client.batch_execute(&format!("DROP DATABASE \"{}\"", copy.name())).await?;
        let strategy = if self.server.version_num() >= 150_000 { "STRATEGY file_copy" } else { "" };
        let create =
            format!("CREATE DATABASE \"{}\" TEMPLATE \"{}\" {strategy}", copy.name(), self.original.name());
        client.batch_execute(&create).await?;
        drop(client);
        connection.await??;
        Ok(copy)
    }
}
