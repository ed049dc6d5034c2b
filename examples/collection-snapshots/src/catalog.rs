//! What a table is, byte for byte, to compare it before and after.

use std::{
    io,
    process::{Command, Stdio},
};

use dunlin::BoxError;
use dunlin_test::Database;
use futures_util::TryStreamExt;

/// The table `collections`: its definition, and its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// What `pg_dump --schema-only` says, or as much of the catalog where there is no `pg_dump`.
    pub definition: String,
    /// What `COPY ... TO STDOUT` says, in the order in which the rows lie on disk.
    pub rows: Vec<u8>,
}

impl Table {
    /// Reads the table as it is now.
    ///
    /// # Errors
    ///
    /// What the server or `pg_dump` says.
    pub async fn read(database: &Database) -> Result<Self, BoxError> {
        let rows = copy(database, "COPY collections TO STDOUT").await?;
        let definition = match definition_by_pg_dump(database).await? {
            Some(definition) => definition,
            None => definition_by_catalog(database).await?,
        };
        Ok(Self { definition, rows })
    }

    /// The rows in state `ready` as the old program knows them, with where they lie on disk and who wrote them: a row
    /// that was merely rewritten shows too.
    ///
    /// # Errors
    ///
    /// What the server says.
    pub async fn ready_rows(database: &Database) -> Result<Vec<u8>, BoxError> {
        let ready = "COPY (SELECT ctid, xmin, id, group_id, status, created_at, updated_at, name, description
            FROM collections WHERE status = 'ready' ORDER BY id) TO STDOUT";
        copy(database, ready).await
    }
}

async fn copy(database: &Database, sql: &str) -> Result<Vec<u8>, BoxError> {
    let client = database.connect().await?;
    let chunks: Vec<_> = client.copy_out(sql).await?.try_collect().await?;
    Ok(chunks.concat())
}

/// Nothing where the server came without `pg_dump`, or is not our own.
async fn definition_by_pg_dump(database: &Database) -> Result<Option<String>, BoxError> {
    let Some(program) = database.server().bin_dir().map(|folder| folder.join("pg_dump")) else {
        return Ok(None);
    };
    let mut dump = Command::new(program);
    dump.args(["--schema-only", "--table=collections", "--dbname"]).arg(database.url()).stdin(Stdio::null());
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

async fn definition_by_catalog(database: &Database) -> Result<String, BoxError> {
    let client = database.connect().await?;
    let lines = "SELECT concat_ws(' ', column_name, data_type, is_nullable, column_default) AS line
        FROM (SELECT * FROM information_schema.columns WHERE table_name = 'collections' ORDER BY ordinal_position) AS c
        UNION ALL
        SELECT line FROM (SELECT concat_ws(' ', conname, pg_get_constraintdef(oid)) AS line
            FROM pg_constraint WHERE conrelid = 'collections'::regclass ORDER BY conname) AS c
        UNION ALL
        SELECT line FROM (SELECT indexdef AS line FROM pg_indexes WHERE tablename = 'collections' ORDER BY indexname) AS i";
    let rows = client.query(lines, &[]).await?;
    let lines: Vec<String> = rows.iter().map(|row| row.try_get("line")).collect::<Result<_, _>>()?;
    Ok(lines.join("\n"))
}
