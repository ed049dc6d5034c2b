use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};

/// What the migration that creates the extensions begins with.
const PREFLIGHT: &str = include_str!("preflight.sql");

/// Looks whether the extensions that the temporal layer needs are there or may be created, before anything is done.
///
/// The migration looks again, for those who boot without asking.
///
/// # Errors
///
/// When they can't be had: the text names the extensions and the role, and says what to do. And when the server can't be asked.
pub async fn preflight(client: &Client) -> Result<(), PreflightError> {
    let refused = client.batch_execute(PREFLIGHT).await;
    refused.map_err(|error| match error.as_db_error() {
        Some(said) if *said.code() == SqlState::FEATURE_NOT_SUPPORTED => {
            PreflightError::Unknown(said.message().to_owned())
        }
        Some(said) if *said.code() == SqlState::INSUFFICIENT_PRIVILEGE => {
            PreflightError::Denied(said.message().to_owned())
        }
        _ => PreflightError::Server(error),
    })
}

/// Why the temporal layer can't be had.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    /// The server does not have an extension.
    #[error("{0}")]
    Unknown(String),
    /// The role may not create one.
    #[error("{0}")]
    Denied(String),
    /// The server can't be asked.
    #[error("the server can't be asked for its extensions")]
    Server(#[source] Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_migration_begins_with_the_preflight() {
        let up = include_str!("../migrations/0003_temporal_tables.up.sql");
        let (comments, rest) = up.split_once(PREFLIGHT).unwrap();
        assert!(comments.lines().all(|line| line.starts_with("--")), "{comments}");
        assert!(rest.contains("CREATE EXTENSION"));
    }
}
