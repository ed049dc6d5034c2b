use std::{fs::File, path::Path, sync::Arc};

use crate::{Error, Storage};

/// A storage root that nobody else moves files in: made by [`Storage::hold`].
#[derive(Clone, Debug)]
pub struct Hold(Arc<Held>);

#[derive(Debug)]
struct Held {
    storage: Storage,
    folder: File,
}

impl Drop for Held {
    /// Closing it would not do: a process that is being started by another thread has it open, too, until it runs its program.
    fn drop(&mut self) {
        let _ = self.folder.unlock();
    }
}

impl Hold {
    /// Of a folder that is locked.
    pub(crate) fn new(storage: Storage, folder: File) -> Self {
        Self(Arc::new(Held { storage, folder }))
    }

    /// Where the root is.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.storage().root()
    }

    /// The root, which is held.
    #[must_use]
    pub fn storage(&self) -> &Storage {
        &self.0.storage
    }

    /// Does what blocks in a thread for that. It goes on to its end if the future is dropped, and has the root until then.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let hold = self.clone();
        tokio::task::spawn_blocking(move || work(&hold)).await.map_err(|_| Error::CutOff)?
    }
}
