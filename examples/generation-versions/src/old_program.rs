use std::path::{Path, PathBuf};

use serde_json::Value;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::Error;

/// The program as it was before anybody thought of versions: it writes the files of a generation flat under the storage root, and
/// when they are there the row.
#[derive(Clone, Debug)]
pub struct OldProgram {
    root: PathBuf,
}

impl OldProgram {
    /// The program with this storage root.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Creates a generation. `files` are what follows the id in their names, and what is in them.
    ///
    /// # Errors
    ///
    /// What the file system or the server says.
    pub async fn generate(
        &self,
        client: &Client,
        id: Uuid,
        project: &str,
        prompt: &str,
        parameters: &Value,
        files: &[(String, String)],
    ) -> Result<(), Error> {
        let mut names = Vec::new();
        for (part, content) in files {
            let name = format!("{id}{part}");
            let path = self.root.join(&name);
            std::fs::write(&path, content).map_err(crate::files::failed("write", &path))?;
            names.push(name);
        }
        let insert =
            "INSERT INTO generations (id, project_id, prompt, parameters, files) VALUES ($1, $2, $3, $4, $5)";
        client.execute(insert, &[&id, &project, &prompt, parameters, &names]).await?;
        Ok(())
    }
}
