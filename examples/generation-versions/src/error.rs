use std::{io, path::PathBuf};

use uuid::Uuid;

/// What can be wrong with the storage root, or with what the database says of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The migrator was not given one.
    #[error("the migrator has no storage root: give it a `Storage` with `resource`")]
    NoStorage,
    /// It can't be looked at.
    #[error("storage root {0:?} can't be opened: create it, or mount what belongs there")]
    Root(PathBuf, #[source] io::Error),
    /// It is something else.
    #[error("storage root {0:?} is no folder: name the folder that the flat files are in")]
    NoFolder(PathBuf),
    /// It can't be written to.
    #[error("storage root {0:?} can't be written to: files can't be moved in it")]
    ReadOnly(PathBuf, #[source] io::Error),
    /// Somebody else moves files in it.
    #[error("storage root {0:?} is held by another run: wait until that has ended")]
    Held(PathBuf),
    /// There is no symbolic link on this system.
    #[error("the files can't be moved on this system: it needs symbolic links as Unix has them")]
    NoUnix,
    /// Generations whose project is gone.
    #[error(
        "orphans: the project of {count} of {of} generations is gone{ids}: create it, delete them, or migrate with `--archive-orphans`"
    )]
    Orphans {
        /// How many.
        count: u64,
        /// Of how many.
        of: u64,
        /// Which, the first of them, in parentheses.
        ids: String,
    },
    /// It is another root, as it seems.
    #[error(
        "none of the {0} files that generations name is there: name the storage root that they are under"
    )]
    NoFiles(u64),
    /// The file system refuses.
    #[error("can't {what} {path:?}")]
    File {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A manifest can't be read.
    #[error("{0:?} is no manifest of this program: restore it, or move its folder out of the storage root")]
    Manifest(PathBuf, #[source] Option<serde_json::Error>),
    /// What lies there is not what the manifest says.
    #[error("{0:?} has not the size that its manifest says: restore the file")]
    Damaged(PathBuf),
    /// Two folders for one generation.
    #[error("generation {0} has two folders, {1:?} and {2:?}: move one of them out of the storage root")]
    TwoFolders(Uuid, PathBuf, PathBuf),
    /// Something that is not of the generation lies in its folder.
    #[error(
        "{0:?} is no file of its generation: move it out of the folder, or it has no place among the flat files"
    )]
    Stranger(PathBuf),
    /// A flat file is there already, and it is another.
    #[error("{0:?} is there already, and differs from {1:?}: remove the one that is not wanted")]
    Conflict(PathBuf, PathBuf),
    /// Something else is where the symbolic link should be.
    #[error("{0:?} is no symbolic link: move it away, the link to the active generation belongs there")]
    NoLink(PathBuf),
    /// Folders that the database knows are not there.
    #[error(
        "folders of generations that are not where the database has them: {count}, the first is {first:?}: restore them"
    )]
    Gone {
        /// How many.
        count: usize,
        /// One of them.
        first: String,
    },
    /// There is no such version.
    #[error("project {project:?} has no version {version}")]
    NoVersion {
        /// The project.
        project: String,
        /// The version.
        version: i32,
    },
    /// The server refuses.
    #[error("the server refused a statement about generations")]
    Database(#[from] tokio_postgres::Error),
    /// The migration failed.
    #[error(transparent)]
    Migrate(#[from] dunlin::Error),
    /// A thread was lost.
    #[error("work on the storage root was cut off")]
    CutOff,
}

impl Error {
    /// What a hook of a migration fails with: what the server says as it is, so that the runner tries again after a deadlock or
    /// where a row was locked for too long.
    pub(crate) fn into_cause(self) -> dunlin::BoxError {
        match self {
            Self::Database(error) => error.into(),
            other => other.into(),
        }
    }
}
