use std::{
    env, fs,
    fs::File,
    path::{Path, PathBuf},
};

use crate::{
    account::Account,
    error::{Error, Fault},
    installation::matching,
};

const NAME: &str = "dunlin-postgres";

/// The folder where provisioned binaries and prepared data directories are kept between runs.
///
/// It is `dunlin-postgres` in Cargo's target folder: ignored by version control, removed by `cargo clean`. A program
/// that was not started by Cargo, or whose target folder the server's account can't enter, uses a cache folder.
#[derive(Clone, Debug)]
pub(crate) struct Workspace {
    folder: PathBuf,
}

impl Workspace {
    pub(crate) fn find(account: &Account) -> Self {
        let folder = target_folders()
            .into_iter()
            .map(|target| target.join(NAME))
            .chain(cache_folders())
            .find(|folder| account.reaches(folder) && is_writable(folder))
            .unwrap_or_else(|| last_resort(rustix::process::geteuid().as_raw()));
        Self { folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The binaries that were provisioned so far, the newest first.
    pub(crate) fn provisioned(&self) -> Vec<PathBuf> {
        matching(&format!("{}/*/bin", self.folder.display()))
    }

    /// Makes the folder, and waits until no other process changes it. The lock ends with the file.
    pub(crate) fn lock(&self) -> Result<File, Error> {
        fs::create_dir_all(&self.folder).map_err(Fault::file("create", &self.folder))?;
        let path = self.folder.join("lock");
        let file =
            File::options().create(true).append(true).open(&path).map_err(Fault::file("open", &path))?;
        file.lock().map_err(Fault::file("lock", &path))?;
        Ok(file)
    }

    /// The same without waiting: `None` while another process changes the folder.
    pub(crate) fn try_lock(&self) -> Option<File> {
        fs::create_dir_all(&self.folder).ok()?;
        let file = File::options().create(true).append(true).open(self.folder.join("lock")).ok()?;
        file.try_lock().ok().map(|()| file)
    }

    /// A new empty folder inside this one, to be filled and renamed. Those of processes that died are removed: the
    /// caller has the lock, so nobody fills one now.
    pub(crate) fn unfinished(&self, _lock: &File) -> Result<tempfile::TempDir, Error> {
        const PREFIX: &str = ".unfinished-";
        for stale in matching(&format!("{}/{PREFIX}*", self.folder.display())) {
            let _ = fs::remove_dir_all(stale);
        }
        tempfile::Builder::new()
            .prefix(PREFIX)
            .tempdir_in(&self.folder)
            .map_err(Fault::file("create a folder in", &self.folder))
    }
}

/// A folder that each user has for himself: the first one who comes owns what all can write to.
fn last_resort(user: u32) -> PathBuf {
    env::temp_dir().join(format!("{NAME}-{user}"))
}

/// Returns whether this user may make or change the folder: that of a project which somebody else has built may not be
/// ours.
fn is_writable(folder: &Path) -> bool {
    let existing = folder.ancestors().find(|folder| folder.exists());
    existing.is_some_and(|folder| rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok())
}

/// Cargo's target folders that this program may belong to. Cargo marks them with CACHEDIR.TAG.
fn target_folders() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    if let Ok(program) = env::current_exe() {
        folders.extend(program.ancestors().skip(1).map(Path::to_owned));
    }
    // Doc tests run from a temporary folder, but Cargo tells them where it is at work.
    folders.extend(env::var_os("CARGO_TARGET_DIR").map(PathBuf::from));
    if let Some(package) = env::var_os("CARGO_MANIFEST_DIR") {
        folders.extend(Path::new(&package).ancestors().map(|folder| folder.join("target")));
    }
    folders.retain(|folder| folder.is_absolute() && folder.join("CACHEDIR.TAG").is_file());
    folders
}

fn cache_folders() -> Vec<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|folder| folder.is_absolute());
    let home = absolute("HOME").map(|home| home.join(".cache"));
    let mut folders: Vec<PathBuf> = [absolute("XDG_CACHE_HOME"), home].into_iter().flatten().collect();
    if rustix::process::geteuid().is_root() {
        folders.push(PathBuf::from("/var/cache"));
    }
    folders.into_iter().map(|folder| folder.join(NAME)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_without_a_folder_of_their_own_do_not_get_in_each_other_s_way() {
        let [one, other] = [1_000, 1_001].map(last_resort);

        assert_ne!(one, other);
        assert_eq!(one.parent(), Some(&*env::temp_dir()));
    }
}
