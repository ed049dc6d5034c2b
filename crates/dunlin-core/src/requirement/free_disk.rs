use std::path::Path;

use async_trait::async_trait;

use super::Requirement;
use crate::wire::{flag, text};
use crate::{BoxError, Preflight, Unmet};

/// The file system of the server's data directory has space, where that can be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreeDisk {
    least: u64,
}

impl FreeDisk {
    /// So many bytes are free for the server.
    ///
    /// No server tells how much space it has. It is known where the server runs on the same machine (it sees a Unix socket or a
    /// loopback address), the role may read the setting `data_directory` (a superuser, or a member of `pg_read_all_settings`), and
    /// that directory is there. Otherwise this counts as met, and says so in the log at level `debug`. Tablespaces and a write-ahead
    /// log on other file systems are not looked at, and a tunnel to a server elsewhere looks like a loopback address.
    #[must_use]
    pub fn at_least(bytes: u64) -> Self {
        Self { least: bytes }
    }
}

#[async_trait]
impl Requirement for FreeDisk {
    fn name(&self) -> String {
        format!("{} of free disk", mebibytes(self.least))
    }

    async fn check(&self, cx: &Preflight<'_>) -> Result<(), BoxError> {
        let row = cx
            .row(
                "SELECT inet_client_addr() IS NULL OR inet_client_addr() <<= inet '127.0.0.0/8' \
                 OR inet_client_addr() = inet '::1' AS local, \
                 (SELECT setting FROM pg_settings WHERE name = 'data_directory') AS directory",
            )
            .await?;
        let directory = text(&row, "directory").filter(|_| flag(&row, "local")).map(Path::new);
        let free = directory.and_then(|directory| rustix::fs::statvfs(directory).ok());
        let Some(free) = free.map(|file_system| file_system.f_bavail.saturating_mul(file_system.f_frsize))
        else {
            tracing::debug!(least = self.least, "how much disk is free for the server can't be known");
            return Ok(());
        };
        if free >= self.least {
            return Ok(());
        }
        let what = format!("{} are free for the server's data directory", mebibytes(free));
        Err(Unmet::new(what).remedy("give it more space").into())
    }
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}
