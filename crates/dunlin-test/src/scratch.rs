//! Where the databases come from that this crate needs for itself.

use crate::{database::Database, error::Error, server::Server};

/// Gives a new empty database: on the server of another one, where there is one already.
pub(crate) async fn database(beside: Option<&Database>) -> Result<Database, Error> {
    match beside {
        Some(other) => other.server().create_database().await,
        None => Server::start().await?.create_database().await,
    }
}
