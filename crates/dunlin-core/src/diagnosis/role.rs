use std::fmt;

use tokio_postgres::SimpleQueryRow;

use super::words::quoted;
use super::{DiagnosisFinding, Severity, Subject};
use crate::wire::{flag, text};
use crate::{HistoryTable, Ident};

/// What the role is, and what it may do that a run needs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RoleFacts {
    pub(super) session_user: String,
    pub(super) current_user: String,
    pub(super) superuser: bool,
    pub(super) temporary: bool,
    pub(super) create_history: bool,
    pub(super) history_owner: Option<String>,
    pub(super) member_of_owner: bool,
    pub(super) read_history: bool,
    pub(super) read_digest: bool,
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(super) schema: bool,
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(super) digest: bool,
}

impl RoleFacts {
    pub(crate) fn of(row: &SimpleQueryRow) -> Option<Self> {
        let schema = flag(row, "schema");
        Some(Self {
            session_user: text(row, "session_role")?.to_owned(),
            current_user: text(row, "acting_role")?.to_owned(),
            superuser: flag(row, "superuser"),
            temporary: flag(row, "temporary"),
            create_history: flag(row, if schema { "create_table" } else { "create_schema" }),
            history_owner: text(row, "owner").filter(|_| flag(row, "history")).map(str::to_owned),
            member_of_owner: flag(row, "member"),
            read_history: flag(row, "reads_history"),
            read_digest: flag(row, "reads_head"),
            schema,
            digest: flag(row, "head"),
        })
    }

    /// The role that the connection was made with.
    #[must_use]
    pub fn session_user(&self) -> &str {
        &self.session_user
    }

    /// The role that rights are judged by: that of the [`Migrator`](crate::Migrator::role), or the connection's.
    #[must_use]
    pub fn current_user(&self) -> &str {
        &self.current_user
    }

    /// Whether it is a superuser.
    #[must_use]
    pub fn is_superuser(&self) -> bool {
        self.superuser
    }

    /// Whether it may create temporary tables.
    #[must_use]
    pub fn may_create_temporary(&self) -> bool {
        self.temporary
    }

    /// Whether it may create the history's tables in their schema, or the schema where that is missing.
    #[must_use]
    pub fn may_create_history(&self) -> bool {
        self.create_history
    }

    /// Whom the history belongs to; nothing when there is none.
    #[must_use]
    pub fn history_owner(&self) -> Option<&str> {
        self.history_owner.as_deref()
    }

    /// Whether it is the history's owner or a member of it.
    #[must_use]
    pub fn is_member_of_owner(&self) -> bool {
        self.member_of_owner
    }

    /// Whether it may read the history.
    #[must_use]
    pub fn may_read_history(&self) -> bool {
        self.read_history
    }

    /// Whether it may read the history's digest, which a boot looks at first.
    #[must_use]
    pub fn may_read_digest(&self) -> bool {
        self.read_digest
    }

    /// What is wrong where the role that is to migrate is not to be had.
    pub(crate) fn not_to_be_had(owner: &Ident, why: &str) -> DiagnosisFinding {
        let what = format!("migrations can't run as {owner}: {why}");
        let advice = format!("`GRANT {owner} TO` the role that connects");
        DiagnosisFinding::new(Severity::Problem, Subject::Role, what, advice)
    }

    pub(crate) fn findings(&self, history: &HistoryTable) -> Vec<DiagnosisFinding> {
        let (role, schema) = (quoted(&self.current_user), history.schema());
        let mut findings = Vec::new();
        let mut found = |severity, what: String, advice: String| {
            findings.push(DiagnosisFinding::new(severity, Subject::Role, what, advice));
        };
        match &self.history_owner {
            None if !self.create_history && self.schema => found(
                Severity::Problem,
                format!("the role {role} may not create the history in schema {schema}"),
                format!("`GRANT USAGE, CREATE ON SCHEMA {schema} TO {role}`"),
            ),
            None if !self.create_history => found(
                Severity::Problem,
                format!("the role {role} may not create the schema {schema} of the history"),
                format!("let somebody who may create it: `CREATE SCHEMA {schema} AUTHORIZATION {role}`"),
            ),
            Some(_) if !self.read_history => found(
                Severity::Problem,
                format!("the role {role} may not read the history {history}"),
                format!("`GRANT USAGE ON SCHEMA {schema} TO {role}; GRANT SELECT ON {history} TO {role}`"),
            ),
            Some(_) if self.digest && !self.read_digest => found(
                Severity::Note,
                format!(
                    "the role {role} may not read the digest of the history, so each boot reads all of it"
                ),
                format!("`GRANT SELECT ON {schema}.{} TO {role}`", history.head()),
            ),
            _ => {}
        }
        if self.superuser {
            found(
                Severity::Note,
                format!("the role {role} is a superuser"),
                "migrate with the role that owns the tables: a mistake reaches less".to_owned(),
            );
        }
        findings
    }
}

impl fmt::Display for RoleFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.current_user)?;
        if self.session_user != self.current_user {
            write!(f, " (connected as {})", self.session_user)?;
        }
        if self.superuser {
            return f.write_str(", superuser");
        }
        match (&self.history_owner, self.member_of_owner) {
            (Some(owner), _) if *owner == self.current_user => f.write_str(", owner of the history")?,
            (Some(owner), true) => write!(f, ", member of {owner}, which owns the history")?,
            (Some(owner), false) if self.read_history => {
                write!(f, ", may read the history, which belongs to {owner}")?;
            }
            (Some(owner), false) => write!(f, ", may not read the history, which belongs to {owner}")?,
            (None, _) if self.create_history => f.write_str(", may create the history")?,
            (None, _) => f.write_str(", may not create the history")?,
        }
        if self.temporary { Ok(()) } else { f.write_str(", no temporary tables") }
    }
}
