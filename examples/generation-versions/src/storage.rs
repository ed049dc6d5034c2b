use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use crate::{Error, Hold, Step, step::Watcher};

/// The folder that generations have their files in: what the migration of the files holds while it runs.
///
/// A migrator gets it with [`resource`](dunlin::Migrator::resource).
#[derive(Clone, Debug)]
pub struct Storage {
    root: PathBuf,
    watcher: Watcher,
}

impl Storage {
    /// The storage root at this path.
    ///
    /// # Errors
    ///
    /// When it is not there or no folder, and on systems that have no symbolic links.
    pub fn open(root: impl AsRef<Path>) -> Result<Self, Error> {
        if cfg!(not(unix)) {
            return Err(Error::NoUnix);
        }
        let given = root.as_ref();
        // So that a program which changes its folder goes on to mean this one.
        let root = given.canonicalize().map_err(|error| Error::Root(given.to_owned(), error))?;
        if !root.is_dir() {
            return Err(Error::NoFolder(given.to_owned()));
        }
        Ok(Self { root, watcher: Watcher::default() })
    }

    /// Has each step announced before it is done. An error ends the run there, and nothing is tidied up: as if it had been killed.
    #[must_use]
    pub fn on_step(self, watch: impl Fn(Step<'_>) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self { watcher: Watcher::new(watch), ..self }
    }

    /// Where it is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Looks whether files can be moved in it, and leaves nothing behind.
    ///
    /// # Errors
    ///
    /// When nothing can be written.
    pub fn check_writable(&self) -> Result<(), Error> {
        // A file without a name, where there is such a thing.
        let tried = tempfile::tempfile_in(&self.root);
        tried.map(drop).map_err(|error| Error::ReadOnly(self.root.clone(), error))
    }

    /// Takes it for oneself, until the last clone of what is returned is dropped or the process ends. The lock is on the folder
    /// itself: there is no file that a killed run could leave.
    ///
    /// # Errors
    ///
    /// When somebody else has it, and when nothing can be written.
    pub fn hold(&self) -> Result<Hold, Error> {
        let failed = |error| Error::File { what: "lock", path: self.root.clone(), source: error };
        let folder = File::open(&self.root).map_err(failed)?;
        match folder.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::Held(self.root.clone())),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let hold = Hold::new(self.clone(), folder);
        self.check_writable()?;
        Ok(hold)
    }

    pub(crate) fn step(&self, what: &'static str, path: &Path) -> Result<(), Error> {
        let told = self.watcher.tell(Step { what, path });
        told.map_err(|source| Error::File { what, path: path.to_owned(), source })
    }
}
