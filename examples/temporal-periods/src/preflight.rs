use tokio_postgres::{Client, Error};

/// What the migration that creates the extensions begins with.
const PREFLIGHT: &str = include_str!("preflight.sql");

/// Looks whether the extensions that the temporal layer needs are there or may be created, before anything is done.
///
/// The migration looks again, for those who boot without asking.
///
/// # Errors
///
/// When they can't be had: the text names the extensions and the role, and says what to do.
pub async fn preflight(client: &Client) -> Result<(), Error> {
    client.batch_execute(PREFLIGHT).await
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
