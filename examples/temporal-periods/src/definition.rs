use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use dunlin::BoxError;
use dunlin_test::{Database, Schema};
use tokio_postgres::Client;

/// What the schema of a database is, to compare it byte by byte: what `pg_dump --schema-only` says, and the catalog as
/// [`Schema`] reads it where the server came without `pg_dump`, or is not our own. What dunlin keeps for itself is left out.
///
/// # Errors
///
/// What the server or `pg_dump` says.
pub async fn definition(database: &Database) -> Result<String, BoxError> {
    if let Some(folder) = database.server().bin_dir()
        && let Some(text) = dump(&folder.join("pg_dump"), database.url()).await?
    {
        return Ok(text);
    }
    catalog(&database.connect().await?).await
}

/// The same in the words of the catalog.
///
/// # Errors
///
/// What the server says.
pub async fn catalog(client: &Client) -> Result<String, BoxError> {
    let schema = Schema::read(client).await?;
    let ours = schema.objects().iter().filter(|object| !object.name().contains("dunlin_history"));
    Ok(ours.map(ToString::to_string).collect())
}

/// Nothing where there is no such program.
async fn dump(program: &Path, url: String) -> Result<Option<String>, BoxError> {
    let mut dump = Command::new(program);
    dump.args(["--schema-only", "--exclude-table=dunlin_*", "--dbname"]).arg(url).stdin(Stdio::null());
    let output = match tokio::task::spawn_blocking(move || dump.output()).await? {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        output => output?,
    };
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    // Newer versions put a random word there.
    let is_random = |line: &&str| line.starts_with("\\restrict") || line.starts_with("\\unrestrict");
    let text = String::from_utf8(output.stdout)?;
    Ok(Some(text.lines().filter(|line| !is_random(line)).collect::<Vec<_>>().join("\n")))
}
