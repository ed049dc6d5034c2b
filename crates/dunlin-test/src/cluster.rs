use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
};

use crate::{
    account::Account,
    builder::{Durability, Setting},
    error::{Error, Fault},
    files::{self, Folder, Place},
    installation::Installation,
    workspace::Workspace,
};

/// The superuser of every throw-away server.
pub(crate) const SUPERUSER: &str = "postgres";

/// Who gets in, and how: anybody who can enter the socket's folder, and through TCP those with the password.
const HBA: &str = "\
local all         all              trust
local replication all              trust
host  all         all 127.0.0.1/32 scram-sha-256
host  replication all 127.0.0.1/32 scram-sha-256
";

/// What every throw-away server is told.
const COMMON: &[(&str, &str)] = &[
    ("max_connections", "500"),
    ("listen_addresses", "127.0.0.1"),
    ("password_encryption", "scram-sha-256"),
    ("logging_collector", "off"),
    ("lc_messages", "C"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
];

/// What a server is told whose data nobody will miss. `synchronous_commit` is not among them: code under test may
/// turn it on and off, and without fsync it costs next to nothing.
const VOLATILE: &[(&str, &str)] = &[
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("max_wal_size", "256MB"),
    // Segments become files in the data directory, which the watchdog removes, instead of files in /dev/shm, which a
    // killed postmaster leaves behind.
    ("dynamic_shared_memory_type", "mmap"),
];

/// A data directory that is ready for a server to start in.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) folder: Folder,
    pub(crate) place: Place,
}

impl Cluster {
    /// Makes a private folder with a data directory in it.
    pub(crate) fn create(
        installation: &Installation,
        account: &Account,
        durability: Durability,
        settings: &[Setting],
    ) -> Result<Self, Error> {
        let (parent, place) = files::parent(durability == Durability::On, account);
        let folder = Folder::create(&parent, account)?;
        let workspace = Workspace::find(account);
        let prepared = Prepared { installation, account, workspace: &workspace };
        prepared.fill(&folder)?;
        configure(&folder, durability, settings)?;
        Ok(Self { folder, place })
    }
}

/// The outcome of `initdb`, kept between runs: copying it takes a tenth of the time.
struct Prepared<'a> {
    installation: &'a Installation,
    account: &'a Account,
    workspace: &'a Workspace,
}

impl Prepared<'_> {
    fn fill(&self, folder: &Folder) -> Result<(), Error> {
        let data = folder.data();
        let kept = self.workspace.folder().join(self.name());
        if kept.is_dir() {
            match files::copy_tree(&kept, &data, self.account) {
                Ok(()) => return Ok(()),
                // `cargo clean` at this moment, a full disk, another user's file: initdb will do, or say why not.
                Err(error) => {
                    tracing::debug!(%error, "could not copy the prepared data directory");
                    let _ = fs::remove_dir_all(&data);
                }
            }
        }
        self.initdb(folder)?;
        if let Err(error) = self.keep(&data, &kept) {
            tracing::debug!(%error, "could not keep the data directory for the next run");
        }
        Ok(())
    }

    /// Everything that decides what initdb makes is in the name.
    fn name(&self) -> String {
        let mut hasher = DefaultHasher::new();
        (self.installation.banner(), self.installation.bin(), "1").hash(&mut hasher);
        format!("data-{}-{:016x}", self.installation.version(), hasher.finish())
    }

    fn keep(&self, data: &Path, kept: &Path) -> Result<(), Error> {
        // Somebody may be downloading under this lock: that is too long to wait for half a second's gain.
        let Some(lock) = self.workspace.try_lock().filter(|_| !kept.is_dir()) else { return Ok(()) };
        let unfinished = self.workspace.unfinished(&lock)?;
        let copy = unfinished.path().join("data");
        let own = Account::own();
        files::copy_tree(data, &copy, &own).map_err(Fault::file("copy the data directory to", &copy))?;
        fs::rename(&copy, kept).map_err(Fault::file("create", kept))
    }

    fn initdb(&self, folder: &Folder) -> Result<(), Error> {
        // PostgreSQL's own sort order and UTF-8 everywhere; not every system knows C.UTF-8.
        self.initdb_with(folder, "C.UTF-8").or_else(|_| {
            let _ = fs::remove_dir_all(folder.data());
            self.initdb_with(folder, "C")
        })
    }

    fn initdb_with(&self, folder: &Folder, locale: &str) -> Result<(), Error> {
        let initdb = self.installation.bin().join("initdb");
        let locale = format!("--locale={locale}");
        let options = ["--auth=trust", "--encoding=UTF8", "--no-sync", "--username", SUPERUSER, &locale];
        let output = self
            .account
            .command(&initdb)
            .args(options)
            .arg("--pgdata")
            .arg(folder.data())
            .output()
            .map_err(Fault::file("run", &initdb))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Fault::InitDb { command: format!("{} {}", initdb.display(), options.join(" ")), said }.into())
    }
}

fn configure(folder: &Folder, durability: Durability, settings: &[Setting]) -> Result<(), Error> {
    let socket = ("unix_socket_directories", folder.path().to_string_lossy().into_owned());
    let volatile = if durability == Durability::On { &[] } else { VOLATILE };
    let ours =
        COMMON.iter().chain(volatile).map(|(name, value)| (*name, (*value).to_owned())).chain([socket]);
    // The last word counts: the caller's settings.
    let theirs = settings.iter().map(|setting| (setting.name.as_str(), setting.value.clone()));
    let lines: String =
        ours.chain(theirs).map(|(name, value)| format!("{name} = '{}'\n", quoted(&value))).collect();

    let file = folder.data().join("postgresql.conf");
    let defaults = fs::read_to_string(&file).map_err(Fault::file("read", &file))?;
    fs::write(&file, format!("{defaults}\n{lines}")).map_err(Fault::file("write", &file))?;
    let file = folder.data().join("pg_hba.conf");
    fs::write(&file, HBA).map_err(Fault::file("write", &file))
}

/// See "Parameter Interaction via the Configuration File" in PostgreSQL's documentation: quotes are doubled, and a
/// backslash starts an escape.
fn quoted(value: &str) -> String {
    value.replace('\\', "\\\\").replace('\'', "''")
}
