use tokio_postgres::Client;

use crate::{Error, Hold, links};

/// Makes another version the active one of its project: in the database, then under the storage root.
///
/// # Errors
///
/// When there is no such version, and what the server or the file system says.
///
/// # Cancel safety
///
/// It is the active one in the database, or not; the next [`sweep`](crate::sweep) leads the link there.
pub async fn activate(hold: &Hold, client: &Client, project: &str, version: i32) -> Result<(), Error> {
    let activate = "SELECT activate_generation($1, $2)";
    if !client.query_one(activate, &[&project, &version]).await?.try_get(0)? {
        return Err(Error::NoVersion { project: project.to_owned(), version });
    }
    links::point(hold, client).await
}
