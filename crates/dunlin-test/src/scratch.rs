//! Where the databases come from that this crate needs for itself.

use crate::{
    database::Database,
    error::{Error, Fault},
    server::Server,
};

/// Gives a new empty database: on the server of another one, where there is one already.
///
/// It is created in a task of its own: a caller that is dropped meanwhile leaves it to the task, which drops it.
pub(crate) async fn database(beside: Option<&Database>) -> Result<Database, Error> {
    let server = beside.map(|other| other.server().clone());
    let task = tokio::spawn(async move {
        let server = match server {
            Some(server) => server,
            None => Server::start().await?,
        };
        server.create_database().await
    });
    task.await.map_err(|_| Error::from(Fault::Lost))?
}
