//! What is done to the storage root: each effect is one step, and in itself all or nothing.

use std::{
    fs::{self, File, Metadata},
    io::{self, ErrorKind, Read, Write},
    path::Path,
};

use sha2::{Digest, Sha256};

use crate::{Error, Hold, platform};

/// What a file is called until it has its name.
pub(crate) const INCOMING: &str = ".generation-versions.incoming";

impl Hold {
    /// Makes a folder and those above it, below the root, so that they outlast a crash.
    pub(crate) fn create_folder(&self, path: &Path) -> Result<(), Error> {
        if path.is_dir() {
            return Ok(());
        }
        if let Some(above) = path.parent().filter(|above| above.starts_with(self.root())) {
            self.create_folder(above)?;
        }
        self.create_fleeting_folder(path)?;
        self.sync_above(path)
    }

    /// Makes a folder, of which nothing is left after a crash if need be.
    pub(crate) fn create_fleeting_folder(&self, path: &Path) -> Result<(), Error> {
        self.act("create folder", path, || fs::create_dir(path))
    }

    /// Gives a file a second name, which replaces what had it. Where the file system knows no second names, it is copied.
    pub(crate) fn link(&self, from: &Path, to: &Path) -> Result<(), Error> {
        let incoming = to.with_file_name(INCOMING);
        self.remove_file(&incoming)?;
        // A file outlasts a crash under its second name as it does under the first. A copy has to be flushed.
        self.act("link", to, || match fs::hard_link(from, &incoming) {
            Err(error) if is_no_link(&error) => copy(from, &incoming),
            linked => linked,
        })?;
        self.rename(&incoming, to)
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> Result<(), Error> {
        self.act("rename to", to, || fs::rename(from, to))
    }

    /// Writes a file as a whole, in place of the one that has the name.
    pub(crate) fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), Error> {
        let incoming = path.with_file_name(INCOMING);
        self.act("write", path, || {
            let mut file = File::create(&incoming)?;
            file.write_all(bytes)?;
            file.sync_all()
        })?;
        self.rename(&incoming, path)
    }

    /// Replaces a symbolic link, or makes it: there is no moment without.
    pub(crate) fn point(&self, link: &Path, target: &Path) -> Result<(), Error> {
        let incoming = link.with_file_name(INCOMING);
        self.remove_file(&incoming)?;
        self.act("link", link, || platform::symlink(target, &incoming))?;
        self.rename(&incoming, link)?;
        self.sync_above(link)
    }

    /// Removes a file or a link if it is there.
    pub(crate) fn remove_file(&self, path: &Path) -> Result<(), Error> {
        if fs::symlink_metadata(path).is_err() {
            return Ok(());
        }
        self.act("remove", path, || fs::remove_file(path))
    }

    /// Removes a folder if there is nothing in it. A link to one was made by somebody else, and stays.
    pub(crate) fn remove_folder_if_empty(&self, path: &Path) -> Result<(), Error> {
        let is_empty =
            !path.is_symlink() && fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
        if is_empty { self.act("remove folder", path, || fs::remove_dir(path)) } else { Ok(()) }
    }

    /// Removes a folder of files.
    pub(crate) fn remove_folder(&self, path: &Path) -> Result<(), Error> {
        for entry in fs::read_dir(path).map_err(failed("read", path))? {
            self.remove_file(&entry.map_err(failed("read", path))?.path())?;
        }
        self.act("remove folder", path, || fs::remove_dir(path))
    }

    /// What was made, renamed or removed in this folder outlasts a crash.
    pub(crate) fn sync_folder(&self, path: &Path) -> Result<(), Error> {
        File::open(path).and_then(|folder| folder.sync_all()).map_err(failed("sync", path))
    }

    pub(crate) fn sync_above(&self, path: &Path) -> Result<(), Error> {
        path.parent().map_or(Ok(()), |above| self.sync_folder(above))
    }

    fn act(
        &self,
        what: &'static str,
        path: &Path,
        act: impl FnOnce() -> io::Result<()>,
    ) -> Result<(), Error> {
        self.storage().step(what, path)?;
        act().map_err(failed(what, path))
    }
}

/// The size of a file, and its checksum.
pub(crate) fn checksum(path: &Path) -> Result<(u64, String), Error> {
    let read = || {
        let (mut file, mut digest, mut buffer) = (File::open(path)?, Sha256::new(), vec![0; 64 * 1024]);
        let mut size = 0;
        loop {
            let count = match file.read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                count => count?,
            };
            let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
            digest.update(bytes);
            size += u64::try_from(bytes.len()).unwrap_or_default();
        }
        Ok((size, hexadecimal(&digest.finalize())))
    };
    read().map_err(failed("read", path))
}

/// Whether both are there and hold the same.
pub(crate) fn are_same(a: &Path, b: &Path) -> Result<bool, Error> {
    let (Some(first), Some(second)) = (file(a), file(b)) else { return Ok(false) };
    if platform::is_same(&first, &second) {
        return Ok(true);
    }
    Ok(first.len() == second.len() && checksum(a)? == checksum(b)?)
}

/// A file that is there, and no link, folder or device.
pub(crate) fn file(path: &Path) -> Option<Metadata> {
    fs::symlink_metadata(path).ok().filter(Metadata::is_file)
}

/// Names of what is in a folder, in order; none where there is no folder.
pub(crate) fn names(folder: &Path) -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed("read", folder))?,
    };
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<io::Result<Vec<_>>>().map_err(failed("read", folder))?;
    names.sort();
    Ok(names)
}

pub(crate) fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { what, path, source }
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Other disks, and file systems on which a file has one name.
fn is_no_link(error: &io::Error) -> bool {
    use ErrorKind::{CrossesDevices, PermissionDenied, TooManyLinks, Unsupported};
    matches!(error.kind(), CrossesDevices | PermissionDenied | TooManyLinks | Unsupported)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::copy(from, to)?;
    let modified = fs::metadata(from)?.modified()?;
    let copied = File::options().write(true).open(to)?;
    copied.set_modified(modified)?;
    copied.sync_all()
}
