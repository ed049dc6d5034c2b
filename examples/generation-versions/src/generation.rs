use serde_json::Value;
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use crate::{Error, home::Home};

/// How many rows are read at once.
const PAGE: i64 = 500;

/// The row of a generation that has a version.
#[derive(Clone, Debug)]
pub(crate) struct Generation {
    pub(crate) id: Uuid,
    pub(crate) project: String,
    pub(crate) version: i32,
    pub(crate) created_at: String,
    pub(crate) prompt: String,
    pub(crate) parameters: Value,
    pub(crate) files: Vec<String>,
}

impl Generation {
    const COLUMNS: &str = "id, project_id, version, prompt, parameters, files, \
        to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS created_at";

    /// The next of those that lie flat.
    pub(crate) async fn flat(client: &Client, after: Uuid) -> Result<Vec<Self>, Error> {
        let sql = format!(
            "SELECT {} FROM generations WHERE storage_path IS NULL AND id > $1 ORDER BY id LIMIT {PAGE}",
            Self::COLUMNS
        );
        Self::read(&client.query(&sql, &[&after]).await?)
    }

    /// Of these, those that have been moved.
    pub(crate) async fn moved(client: &Client, ids: &[Uuid]) -> Result<Vec<Self>, Error> {
        let sql = format!(
            "SELECT {} FROM generations WHERE storage_path IS NOT NULL AND id = ANY ($1) ORDER BY id",
            Self::COLUMNS
        );
        Self::read(&client.query(&sql, &[&ids]).await?)
    }

    pub(crate) async fn count_flat(client: &Client) -> Result<u64, Error> {
        let row =
            client.query_one("SELECT count(*) FROM generations WHERE storage_path IS NULL", &[]).await?;
        Ok(u64::try_from(row.try_get::<_, i64>(0)?).unwrap_or_default())
    }

    pub(crate) fn home(&self) -> Home {
        Home::of(&self.project, self.version, self.id)
    }

    fn read(rows: &[Row]) -> Result<Vec<Self>, Error> {
        let read = |row: &Row| {
            Ok(Self {
                id: row.try_get("id")?,
                project: row.try_get("project_id")?,
                version: row.try_get("version")?,
                created_at: row.try_get("created_at")?,
                prompt: row.try_get("prompt")?,
                parameters: row.try_get("parameters")?,
                files: row.try_get("files")?,
            })
        };
        rows.iter().map(read).collect()
    }
}
