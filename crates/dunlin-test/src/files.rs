use std::{
    env, fs,
    fs::{DirBuilder, File},
    io,
    io::{Read, Write},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, SystemTime},
};

use rustix::fs::{Mode, OFlags};

use crate::{
    account::Account,
    error::{Error, Fault},
};

const PREFIX: &str = "dunlin-";
const MEMORY: &str = "/dev/shm";
/// What a server needs at most for its data, or it goes elsewhere. Docker's default for /dev/shm is 64 MiB.
const ROOM: u64 = 1 << 30;
/// The path of a Unix socket is at most 107 bytes on Linux and 103 on macOS, `/.s.PGSQL.65535` included.
const LONGEST_FOLDER: usize = 103 - "/.s.PGSQL.65535".len();
/// The pipe of a shared server, as the watchdog calls it.
const PIPE: &str = "alive";
/// The file that keeps a shared server running for a while without users, as the watchdog calls it.
pub(crate) const KEPT: &str = "kept";
/// What everybody writes into it who comes.
const ARRIVAL: &[u8] = b".";

/// A server's private folder: the data directory, the socket, the log and the owner's sign of life.
///
/// It is removed when dropped, until [`keep`](Self::keep) hands that duty over.
#[derive(Debug)]
pub(crate) struct Folder {
    folder: tempfile::TempDir,
    alive: Alive,
}

/// The owner's sign of life: a lock that ends with the process and its watchdog, however they end. Everybody who uses a
/// shared server has one.
#[derive(Debug)]
pub(crate) struct Alive {
    locked: File,
}

/// The write end of a shared server's pipe: its watchdog does not act while there is one.
#[derive(Debug)]
pub(crate) struct Pipe {
    _write: File,
}

/// Comes into the folder of a shared server, which stays as long as what is returned. `None` if the server has ended or is
/// about to.
pub(crate) fn enter(folder: &Path, account: &Account) -> Option<(Pipe, Alive)> {
    let ours = fs::symlink_metadata(folder).is_ok_and(|data| data.is_dir() && account.may_have_made(&data));
    if !ours || folder.join("exit").exists() {
        return None;
    }
    // Without a reader, which is the watchdog, this is refused.
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut write = File::from(rustix::fs::open(folder.join(PIPE), flags, Mode::empty()).ok()?);
    write.write_all(ARRIVAL).ok()?;
    let locked = File::options().append(true).open(folder.join("owner")).ok()?;
    locked.try_lock_shared().ok()?;
    Some((Pipe { _write: write }, Alive { locked }))
}

/// Where the data of a server lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Memory,
    Disk,
}

impl Folder {
    /// Makes a folder that only the account (and root) can enter.
    pub(crate) fn create(parent: &Path, account: &Account) -> Result<Self, Error> {
        let folder = tempfile::Builder::new()
            .prefix(PREFIX)
            .permissions(fs::Permissions::from_mode(0o700))
            .tempdir_in(parent)
            .map_err(Fault::file("create a folder in", parent))?;
        // Locked before it gets the name that sweepers look at, so a file of that name without a lock is a dead one.
        let path = folder.path().join("new");
        let locked = File::create(&path).map_err(Fault::file("create", &path))?;
        locked.try_lock_shared().map_err(|error| Fault::file("lock", &path)(error.into()))?;
        let owner = folder.path().join("owner");
        fs::rename(&path, &owner).map_err(Fault::file("create", &owner))?;
        account.give(folder.path()).map_err(Fault::file("change the owner of", folder.path()))?;
        Ok(Self { folder, alive: Alive { locked } })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// The owner's lock, for the watchdog to hold as well.
    pub(crate) fn lock(&self) -> io::Result<File> {
        self.alive.locked.try_clone()
    }

    /// Makes the pipe of a shared server: the watchdog's end, and the first user's.
    pub(crate) fn pipe(&self) -> Result<(File, Pipe), Error> {
        let path = self.path().join(PIPE);
        let made = Command::new("mkfifo").arg(&path).stdin(Stdio::null()).output();
        made.map_err(Fault::file("run mkfifo for", &path))?;
        let open = |options: &mut fs::OpenOptions| options.open(&path).map_err(Fault::file("open", &path));
        // A reader waits for a writer and the other way round, unless somebody is both.
        let both = open(File::options().read(true).write(true))?;
        let read = open(File::options().read(true))?;
        let mut write = open(File::options().write(true))?;
        drop(both);
        write.write_all(ARRIVAL).map_err(Fault::file("write", &path))?;
        Ok((read, Pipe { _write: write }))
    }

    /// Leaves the folder to the watchdog.
    pub(crate) fn keep(self) -> (PathBuf, Alive) {
        (self.folder.keep(), self.alive)
    }
}

/// The folder below which a server's folder is made, and what it is made of.
pub(crate) fn parent(durable: bool, account: &Account) -> (PathBuf, Place) {
    let memory = PathBuf::from(MEMORY);
    let has_room =
        rustix::fs::statvfs(&memory).is_ok_and(|stat| stat.f_bavail.saturating_mul(stat.f_frsize) >= ROOM);
    if !durable && has_room && tempfile::Builder::new().prefix(PREFIX).tempdir_in(&memory).is_ok() {
        return (memory, Place::Memory);
    }
    (temporary(account), Place::Disk)
}

pub(crate) fn temporary(account: &Account) -> PathBuf {
    let folder = env::temp_dir();
    let length = folder.as_os_str().len() + "/dunlin-123456".len();
    if length <= LONGEST_FOLDER && account.reaches(&folder) { folder } else { PathBuf::from("/tmp") }
}

/// Stops the servers and removes the folders whose owners have died without their watchdog doing so.
///
/// A folder is touched only if this user (or the account its servers run as) made it and nobody holds its lock.
pub(crate) fn sweep(account: &Account) {
    let mut parents = vec![PathBuf::from(MEMORY), temporary(account)];
    parents.dedup();
    let entries = parents.iter().filter_map(|parent| fs::read_dir(parent).ok()).flatten().flatten();
    for entry in entries {
        let named = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        let ours = || entry.metadata().is_ok_and(|data| data.is_dir() && account.may_have_made(&data));
        if named && ours() && is_dead(&entry.path()) {
            tracing::debug!(folder = %entry.path().display(), "removing what a killed run has left");
            kill_server(&entry.path());
            // Others may sweep at the same time: what is gone already is no error.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn is_dead(folder: &Path) -> bool {
    match File::options().append(true).open(folder.join("owner")) {
        Ok(owner) => owner.try_lock().is_ok(),
        // Killed between making the folder and the lock, or made this moment: a day tells them apart.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::symlink_metadata(folder).and_then(|data| data.modified()).is_ok_and(|made| {
                SystemTime::now().duration_since(made).is_ok_and(|age| age > Duration::from_secs(86_400))
            })
        }
        Err(_) => false,
    }
}

/// Stops the server that has its data in the folder. Without /proc it is left to itself: a postmaster whose data
/// directory has gone ends within a minute.
fn kill_server(folder: &Path) {
    let data = folder.join("data");
    let Ok(pid_file) = fs::read_to_string(data.join("postmaster.pid")) else { return };
    let Some(pid) = pid_file.lines().next().and_then(|line| line.trim().parse::<u32>().ok()) else { return };
    // The number may be another process's by now; a postmaster's current folder is its data directory.
    if fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd == data) {
        let kill = Command::new("sh")
            .args(["-c", "kill -QUIT \"$0\"", &pid.to_string()])
            .stderr(Stdio::null())
            .status();
        tracing::debug!(
            pid,
            ok = kill.is_ok_and(|status| status.success()),
            "stopped the server of a killed run"
        );
    }
}

/// Copies a data directory and gives the copy to the account.
pub(crate) fn copy_tree(from: &Path, to: &Path, account: &Account) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(to)?;
    account.give(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let copy = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &copy, account)?;
        } else {
            fs::copy(entry.path(), &copy)?;
            account.give(&copy)?;
        }
    }
    Ok(())
}

/// 32 hexadecimal digits that nobody can guess.
pub(crate) fn random_digits() -> Result<String, Error> {
    let mut bytes = [0_u8; 16];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(Fault::file("read", "/dev/urandom"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
