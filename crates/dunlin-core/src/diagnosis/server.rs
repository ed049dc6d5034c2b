use std::fmt;

use tokio_postgres::SimpleQueryRow;

use super::{DiagnosisFinding, Severity, Subject};
use crate::wire::{flag, text, value};

/// The server, and the way to it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ServerFacts {
    pub(super) version: String,
    pub(super) version_number: u32,
    pub(super) database: String,
    pub(super) standby: bool,
    pub(super) read_only: bool,
    pub(super) encryption: Option<String>,
    pub(super) client_address: Option<String>,
    pub(super) local: bool,
}

impl ServerFacts {
    pub(crate) fn of(row: &SimpleQueryRow) -> Option<Self> {
        Some(Self {
            version: text(row, "version")?.to_owned(),
            version_number: value(row, "number")?,
            database: text(row, "database")?.to_owned(),
            standby: flag(row, "standby"),
            read_only: flag(row, "read_only"),
            encryption: match (text(row, "tls"), flag(row, "gss")) {
                (Some(tls), _) => Some(tls.to_owned()),
                (None, true) => Some("GSSAPI".to_owned()),
                (None, false) => None,
            },
            client_address: text(row, "client").map(str::to_owned),
            local: flag(row, "local"),
        })
    }

    /// Its version as it tells it, for example `15.18 (Debian 15.18-0+deb12u1)`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Its version as a number, for example 150018.
    #[must_use]
    pub fn version_number(&self) -> u32 {
        self.version_number
    }

    /// The database's name.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.database
    }

    /// Whether it is a standby, where nothing can be written.
    #[must_use]
    pub fn is_standby(&self) -> bool {
        self.standby
    }

    /// Whether sessions of the role begin read-only (`default_transaction_read_only`).
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// How the server's end of the connection is encrypted: the version of TLS, or `GSSAPI`; nothing for clear text.
    #[must_use]
    pub fn encryption(&self) -> Option<&str> {
        self.encryption.as_deref()
    }

    /// Where the server sees the connection come from: the program, or a pooler; nothing for a Unix socket.
    #[must_use]
    pub fn client_address(&self) -> Option<&str> {
        self.client_address.as_deref()
    }

    /// Whether the connection does not leave the server's host.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.local
    }

    /// What is wrong, given whether a run has something to write.
    pub(crate) fn findings(&self, has_work: bool) -> Vec<DiagnosisFinding> {
        let severity = if has_work { Severity::Problem } else { Severity::Note };
        let mut findings = Vec::new();
        let mut found = |severity, what: &str, advice: &str| {
            findings.push(DiagnosisFinding::new(severity, Subject::Server, what, advice));
        };
        if self.standby {
            found(
                severity,
                "the server is a standby, where nothing can be migrated",
                "connect to the primary to migrate",
            );
        } else if self.read_only {
            found(
                severity,
                "the session is read-only (default_transaction_read_only), so nothing can be migrated",
                "migrate with a role that may write",
            );
        }
        if self.encryption.is_none() && !self.local {
            found(
                Severity::Warning,
                "the connection crosses the network in clear text",
                "connect with TLS, and set `sslmode=require`",
            );
        }
        findings
    }
}

impl fmt::Display for ServerFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgreSQL {}, ", self.version)?;
        f.write_str(match (self.standby, self.read_only) {
            (true, _) => "standby",
            (_, true) => "primary, read-only",
            _ => "primary",
        })?;
        match &self.client_address {
            Some(address) if self.local => write!(f, ", from this host ({address})")?,
            Some(address) => write!(f, ", from {address}")?,
            None => f.write_str(", through a Unix socket")?,
        }
        match &self.encryption {
            Some(encryption) => write!(f, ", {encryption}"),
            None if self.client_address.is_some() => f.write_str(", clear text"),
            None => Ok(()),
        }
    }
}
