//! What is not the same on all systems.

use std::{
    fs::Metadata,
    io,
    path::{Path, PathBuf},
};

#[cfg(unix)]
pub(crate) fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(not(unix))]
pub(crate) fn symlink(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether both are one file, by two names.
#[cfg(unix)]
pub(crate) fn is_same(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
pub(crate) fn is_same(_: &Metadata, _: &Metadata) -> bool {
    false
}

/// Where a symbolic link leads; nothing where there is none.
pub(crate) fn link_target(link: &Path) -> Option<PathBuf> {
    std::fs::read_link(link).ok()
}
