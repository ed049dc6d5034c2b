use std::{
    fs::{self, File},
    io::{Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use crate::{
    account::Account,
    builder::{Builder, Launched},
    error::{Error, Fault},
    files::{self, Alive, Pipe, Place},
    server::Server,
    session::Facts,
    workspace::Workspace,
};

/// The file in a server's folder that says how it is reached.
const ADDRESS: &str = "address";

/// What keeps a shared server running for this process.
pub(crate) type Hold = (Pipe, Alive);

/// Comes to the server that is like this one, or starts it.
pub(crate) async fn find_or_start(options: &Builder) -> Result<Server, Error> {
    let name = format!("server-{}", options.likeness());
    let found = tokio::task::spawn_blocking(move || {
        let account = Account::for_server()?;
        let mut registry = Registry::lock(&name, &account)?;
        let found = registry.find().and_then(|folder| {
            let hold = files::enter(&folder, &account)?;
            Some((Address::read(&folder)?, hold))
        });
        Ok::<_, Error>((registry, found))
    });
    let (mut registry, found) = found.await.map_err(|_| Fault::Lost)??;
    if let Some((address, hold)) = found {
        return Ok(Server::shared_at(address, hold));
    }
    let (launched, facts) = options.begin().await?;
    let Launched { process, installation, place } = launched;
    let address = Address {
        folder: process.folder().to_owned(),
        port: process.port(),
        password: process.password().to_owned(),
        facts,
        bin: installation.bin().to_owned(),
        place,
    };
    address.write()?;
    registry.tell(&address.folder)?;
    let hold = process.into_hold().ok_or(Fault::Lost)?;
    Ok(Server::shared_at(address, hold))
}

/// How processes of one user find what they share: a file in the workspace that holds the path of a folder, and is locked while
/// somebody looks for the folder or makes it.
#[derive(Debug)]
pub(crate) struct Registry {
    file: File,
    path: PathBuf,
}

impl Registry {
    /// Waits until nobody else looks. The lock ends with the value.
    pub(crate) fn lock(name: &str, account: &Account) -> Result<Self, Error> {
        let workspace = Workspace::find(account);
        fs::create_dir_all(workspace.folder()).map_err(Fault::file("create", workspace.folder()))?;
        let user = rustix::process::geteuid().as_raw();
        let path = workspace.folder().join(format!("{name}-{user}"));
        let mut options = File::options();
        options.create(true).truncate(false).read(true).write(true).mode(0o600);
        let file = options.open(&path).map_err(Fault::file("open", &path))?;
        file.lock().map_err(Fault::file("lock", &path))?;
        Ok(Self { file, path })
    }

    /// The folder, of which nobody knows whether it is still in use.
    pub(crate) fn find(&mut self) -> Option<PathBuf> {
        let mut folder = String::new();
        self.file.read_to_string(&mut folder).ok()?;
        Some(PathBuf::from(folder.trim_end())).filter(|folder| folder.is_absolute())
    }

    pub(crate) fn tell(&mut self, folder: &Path) -> Result<(), Error> {
        let written = self.file.set_len(0).and_then(|()| self.file.rewind());
        written
            .and_then(|()| writeln!(self.file, "{}", folder.display()))
            .map_err(Fault::file("write", &self.path))
    }
}

/// How a shared server is reached, in a file that its own folder protects.
#[derive(Debug)]
pub(crate) struct Address {
    pub(crate) folder: PathBuf,
    pub(crate) port: u16,
    pub(crate) password: String,
    pub(crate) facts: Facts,
    pub(crate) bin: PathBuf,
    pub(crate) place: Place,
}

impl Address {
    fn write(&self) -> Result<(), Error> {
        let Self { folder, port, password, facts, bin, place } = self;
        let Facts { version, version_num, has_fsync } = facts;
        let place = if *place == Place::Memory { "memory" } else { "disk" };
        let bin = bin.display();
        let text = format!("{port}\n{password}\n{version}\n{version_num}\n{has_fsync}\n{place}\n{bin}\n");
        let path = folder.join(ADDRESS);
        fs::write(&path, text).map_err(Fault::file("write", &path))
    }

    fn read(folder: &Path) -> Option<Self> {
        let text = fs::read_to_string(folder.join(ADDRESS)).ok()?;
        let mut lines = text.lines();
        let port = lines.next()?.parse().ok()?;
        let password = lines.next()?.to_owned();
        let version = lines.next()?.to_owned();
        let version_num = lines.next()?.parse().ok()?;
        let has_fsync = lines.next()?.parse().ok()?;
        let place = if lines.next()? == "memory" { Place::Memory } else { Place::Disk };
        let bin = PathBuf::from(lines.next()?);
        let facts = Facts { version, version_num, has_fsync };
        Some(Self { folder: folder.to_owned(), port, password, facts, bin, place })
    }
}
