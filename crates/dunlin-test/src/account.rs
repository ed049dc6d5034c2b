use std::{
    fs, io,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::Path,
    process::{Command, Stdio},
};

use crate::error::{Error, Fault};

/// Who runs the server: this program's own user, or for root somebody else, because PostgreSQL refuses root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Account {
    Own { uid: u32 },
    Dropped { name: String, uid: u32, gid: u32 },
}

impl Account {
    pub(crate) fn for_server() -> Result<Self, Error> {
        let uid = rustix::process::geteuid();
        if !uid.is_root() {
            return Ok(Self::own());
        }
        let passwd = fs::read_to_string("/etc/passwd").map_err(Fault::file("read", "/etc/passwd"))?;
        // initdb looks its user up by number: a uid without an entry will not do.
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| Self::in_passwd(&passwd, name))
            .ok_or_else(|| Fault::NoAccount.into())
    }

    /// This program's own user.
    pub(crate) fn own() -> Self {
        Self::Own { uid: rustix::process::geteuid().as_raw() }
    }

    fn in_passwd(passwd: &str, wanted: &str) -> Option<Self> {
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next().filter(|name| *name == wanted)?.to_owned();
            let uid = fields.nth(1)?.parse().ok().filter(|uid| *uid != 0)?;
            let gid = fields.next()?.parse().ok()?;
            Some(Self::Dropped { name, uid, gid })
        })
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Own { .. } => "the user of this program",
            Self::Dropped { name, .. } => name,
        }
    }

    /// Starts a command that will run as this account: without input, without `PG*` variables that would steer it,
    /// with messages in English.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        if let Self::Dropped { uid, gid, .. } = self {
            // The current folder may be one that the account cannot enter.
            command.uid(*uid).gid(*gid).current_dir("/");
        }
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        command.env("LC_ALL", "C").stdin(Stdio::null());
        command
    }

    /// Gives the path to this account.
    pub(crate) fn give(&self, path: &Path) -> io::Result<()> {
        match self {
            Self::Own { .. } => Ok(()),
            Self::Dropped { uid, gid, .. } => chown(path, Some(*uid), Some(*gid)),
        }
    }

    /// Returns whether the path may belong to a server that this program, or an earlier run of it, has started.
    pub(crate) fn may_have_made(&self, metadata: &fs::Metadata) -> bool {
        let (Self::Own { uid } | Self::Dropped { uid, .. }) = self;
        metadata.uid() == *uid || metadata.uid() == rustix::process::geteuid().as_raw()
    }

    /// Returns whether the account can enter the folder and every folder above it; those that are yet to be made
    /// count as enterable.
    pub(crate) fn reaches(&self, folder: &Path) -> bool {
        let Self::Dropped { uid, .. } = self else { return true };
        folder.ancestors().all(|folder| {
            fs::metadata(folder).map_or_else(
                |error| error.kind() == io::ErrorKind::NotFound,
                |metadata| metadata.permissions().mode() & 0o001 != 0 || metadata.uid() == *uid,
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_read_from_passwd() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\n\
                      postgres-old:x:7:7::/:/bin/sh\n\
                      postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash\n\
                      broken:x\n";

        let postgres = Account::Dropped { name: "postgres".into(), uid: 101, gid: 104 };
        assert_eq!(Account::in_passwd(passwd, "postgres"), Some(postgres));
        assert_eq!(Account::in_passwd(passwd, "root"), None, "PostgreSQL would refuse it");
        assert_eq!(Account::in_passwd(passwd, "broken"), None);
        assert_eq!(Account::in_passwd(passwd, "nobody"), None);
    }
}
