use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use tokio_postgres::Client;
use uuid::Uuid;

use crate::{
    Error, Storage, files,
    home::{self, GENERATIONS, PROJECTS},
    manifest,
};

/// The folders of generations that there are under a storage root.
#[derive(Clone, Debug)]
pub struct Tree {
    root: PathBuf,
    folders: BTreeMap<Uuid, PathBuf>,
    partial: Vec<PathBuf>,
}

impl Tree {
    /// Looks which there are. What has another name is not looked at.
    ///
    /// # Errors
    ///
    /// When a folder can't be read, and when a generation has two.
    pub fn read(storage: &Storage) -> Result<Self, Error> {
        let mut tree =
            Self { root: storage.root().to_owned(), folders: BTreeMap::new(), partial: Vec::new() };
        for project in tree.projects()? {
            let above = project.join(GENERATIONS);
            for name in files::names(&above)? {
                let folder = above.join(&name);
                if home::is_partial(&name) {
                    tree.partial.push(folder);
                } else if let Some((_, id)) = home::parse(&name)
                    && let Some(other) = tree.folders.insert(id, folder.clone())
                {
                    return Err(Error::TwoFolders(id, other, folder));
                }
            }
        }
        Ok(tree)
    }

    /// The folders of projects.
    pub(crate) fn projects(&self) -> Result<Vec<PathBuf>, Error> {
        let above = self.root.join(PROJECTS);
        Ok(files::names(&above)?.iter().map(|name| above.join(name)).collect())
    }

    /// How many generations have one.
    #[must_use]
    pub fn len(&self) -> usize {
        self.folders.len()
    }

    /// Whether none has one.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.folders.is_empty()
    }

    /// The folder of a generation.
    #[must_use]
    pub fn folder(&self, id: Uuid) -> Option<&Path> {
        self.folders.get(&id).map(PathBuf::as_path)
    }

    pub(crate) fn folders(&self) -> impl Iterator<Item = (Uuid, &Path)> {
        self.folders.iter().map(|(id, path)| (*id, path.as_path()))
    }

    /// What a killed run has left.
    pub(crate) fn partial(&self) -> &[PathBuf] {
        &self.partial
    }

    /// Looks whether each folder that the database names is there, with its manifest.
    ///
    /// # Errors
    ///
    /// When some are not, and when the server refuses.
    pub async fn verify(&self, client: &Client) -> Result<(), Error> {
        let rows =
            client.query("SELECT id, storage_path FROM generations WHERE storage_path IS NOT NULL", &[]);
        let mut gone = Vec::new();
        for row in rows.await? {
            let (id, path): (Uuid, String) = (row.try_get(0)?, row.try_get(1)?);
            let is_there = self.folder(id).is_some_and(|folder| {
                folder == self.root.join(&path) && files::file(&folder.join(manifest::NAME)).is_some()
            });
            if !is_there {
                gone.push(path);
            }
        }
        match gone.first() {
            Some(first) => Err(Error::Gone { count: gone.len(), first: first.clone() }),
            None => Ok(()),
        }
    }
}
