//! Where the databases come from that this crate needs for itself.

use crate::{database::Database, error::Error, server::Server};

/// Gives a new empty database on the server that all tests share.
pub(crate) async fn database() -> Result<Database, Error> {
    Server::of_tests().await?.create_database().await
}
