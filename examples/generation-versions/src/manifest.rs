use std::{fs, io::ErrorKind, path::Path};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{Error, files};

/// What it is called in each folder.
pub(crate) const NAME: &str = "manifest.json";

/// What lies in the folder of a version, and what it was made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The project, as the database has it.
    pub project: String,
    /// The generation.
    pub generation: Uuid,
    /// Its number in the project.
    pub version: i32,
    /// When it was created.
    pub created_at: String,
    /// What was asked for.
    pub prompt: String,
    /// How.
    pub parameters: Value,
    /// The files that there are.
    pub files: Vec<Entry>,
    /// The files that the generation names and that were not found.
    pub missing: Vec<Missing>,
}

/// A file in a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name, which is the one that it had when it was flat.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its checksum, in hexadecimal digits.
    pub sha256: String,
}

impl Entry {
    pub(crate) fn of(folder: &Path, name: &str) -> Result<Self, Error> {
        let (bytes, sha256) = files::checksum(&folder.join(name))?;
        Ok(Self { name: name.to_owned(), bytes, sha256 })
    }
}

/// A file that was not found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// What the generation calls it.
    pub name: String,
    /// Why it is not there.
    pub reason: Reason,
}

/// Why a file that a generation names was not moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// There is none of this name.
    NotThere,
    /// It is a folder, a symbolic link or a device.
    NoFile,
    /// The name does not begin with the id of the generation, or leads elsewhere.
    NotItsOwn,
}

impl Manifest {
    /// Reads that of a folder, if there is one.
    ///
    /// # Errors
    ///
    /// When it can't be read, or is none.
    pub fn read(folder: &Path) -> Result<Option<Self>, Error> {
        let path = folder.join(NAME);
        match fs::read(&path) {
            Ok(bytes) => {
                serde_json::from_slice(&bytes).map(Some).map_err(|error| Error::Manifest(path, Some(error)))
            }
            Err(error) if matches!(error.kind(), ErrorKind::NotFound) => Ok(None),
            Err(error) => Err(files::failed("read", &path)(error)),
        }
    }

    /// The text of the file.
    pub(crate) fn text(&self) -> Result<String, Error> {
        let text = serde_json::to_string_pretty(self);
        text.map(|text| text + "\n").map_err(|error| Error::Manifest(NAME.into(), Some(error)))
    }

    pub(crate) fn entry(&self, name: &str) -> Option<&Entry> {
        self.files.iter().find(|entry| entry.name == name)
    }
}
