use std::fmt;

use tokio_postgres::SimpleQueryRow;

use super::words::count;
use super::{DiagnosisFinding, Severity, Subject};
use crate::wire::text;

/// A setting that a run, or what it guarantees, depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ServerSetting {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) source: String,
}

/// Those that a run takes back, so that the role's are for the application alone.
const NEUTRALISED: [&str; 5] = [
    "statement_timeout",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "idle_session_timeout",
    "transaction_timeout",
];

impl ServerSetting {
    pub(crate) fn of(row: &SimpleQueryRow) -> Option<Self> {
        let text = |column| text(row, column).map(str::to_owned);
        Some(Self { name: text("name")?, value: text("value")?, source: text("source")? })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its value in a new session of the role, with its unit.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Where the value comes from, as `pg_settings.source` has it: `user` is the role, `database user` the role in this
    /// database, `client` the connection itself.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it is what PostgreSQL brings along, or was given on the server's way up.
    pub(crate) fn is_default(&self) -> bool {
        matches!(self.source.as_str(), "default" | "override")
    }

    fn origin(&self) -> &str {
        match self.source.as_str() {
            "user" => "role",
            "database user" => "role in this database",
            "client" => "connection",
            source => source,
        }
    }

    pub(crate) fn findings(settings: &[Self]) -> Vec<DiagnosisFinding> {
        let value =
            |name: &str| settings.iter().find(|setting| setting.name == name).map(|s| s.value.as_str());
        let mut findings = Vec::new();
        let mut found = |severity, what: String, advice: &str| {
            findings.push(DiagnosisFinding::new(severity, Subject::Setting, what, advice));
        };
        if let Some(role) = value("session_replication_role").filter(|role| *role != "origin") {
            found(
                Severity::Warning,
                format!("session_replication_role is {role}: neither triggers nor foreign keys act"),
                "reset it for the role that migrates",
            );
        }
        let timeouts: Vec<_> = settings
            .iter()
            .filter(|setting| NEUTRALISED.contains(&setting.name.as_str()) && setting.value != "0")
            .map(Self::to_string)
            .collect();
        if !timeouts.is_empty() {
            let many = count(timeouts.len(), "timeout does", "timeouts do");
            found(
                Severity::Note,
                format!("{many} not hold for migrations: {}", timeouts.join(", ")),
                "set those of migrations with `Migrator::statement_timeout` or in their headers",
            );
        }
        if let Some(level) = value("default_transaction_isolation").filter(|level| *level != "read committed")
        {
            found(
                Severity::Note,
                format!("transactions are {level} by default, those of migrations are read committed"),
                "nothing: a run asks for the level that it needs",
            );
        }
        let off = |name| value(name) == Some("off");
        if off("fsync") {
            found(
                Severity::Note,
                "fsync is off: a crash of the machine can destroy the database".to_owned(),
                "leave it on but for throw-away servers",
            );
        }
        if let Some(commit) = value("synchronous_commit").filter(|commit| matches!(*commit, "off" | "local"))
        {
            found(
                Severity::Note,
                format!(
                    "synchronous_commit is {commit}: a crash or a failover can lose the last migrations together with their rows"
                ),
                "set it to `on` for the role that migrates",
            );
        }
        if value("client_connection_check_interval").is_none() {
            found(
                Severity::Note,
                "the server does not look after its client while it works (it is older than PostgreSQL 14): it keeps \
                 the lock of a client that has died until its statement ends"
                    .to_owned(),
                "end such a session with `pg_terminate_backend`",
            );
        }
        findings
    }
}

impl fmt::Display for ServerSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {} ({})", self.name, self.value, self.origin())
    }
}
