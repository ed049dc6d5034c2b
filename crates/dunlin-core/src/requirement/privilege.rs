use std::fmt;

use async_trait::async_trait;

use super::Requirement;
use crate::ident::literal;
use crate::wire::{flag, text};
use crate::{BoxError, Preflight, Unmet};

/// The [role](crate::Migrator::role) that the migrations run as may do something. Names are as in the catalog: exact, and without
/// quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Privilege(Right);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Right {
    Database,
    Schema(String),
    Role(String),
    Table { schema: String, table: String, privilege: TablePrivilege },
}

impl Privilege {
    /// CREATE on the database: for schemas, trusted extensions and publications.
    #[must_use]
    pub fn create_on_database() -> Self {
        Self(Right::Database)
    }

    /// USAGE and CREATE on a schema.
    #[must_use]
    pub fn create_on_schema(schema: impl Into<String>) -> Self {
        Self(Right::Schema(plain(schema)))
    }

    /// `SET ROLE` to another role, for the role that logs in.
    #[must_use]
    pub fn set_role(role: impl Into<String>) -> Self {
        Self(Right::Role(plain(role)))
    }

    /// Something on a table, a view or another relation, with USAGE on its schema.
    #[must_use]
    pub fn on_table(schema: impl Into<String>, table: impl Into<String>, privilege: TablePrivilege) -> Self {
        Self(Right::Table { schema: plain(schema), table: plain(table), privilege })
    }
}

/// What one may do with a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TablePrivilege {
    /// Read rows.
    Select,
    /// Add rows.
    Insert,
    /// Change rows.
    Update,
    /// Remove rows.
    Delete,
    /// Empty it.
    Truncate,
    /// Make foreign keys to it.
    References,
    /// Make triggers on it.
    Trigger,
    /// Alter and drop it, as its owner or a member of that role.
    Own,
}

impl fmt::Display for TablePrivilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Select => "SELECT",
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Truncate => "TRUNCATE",
            Self::References => "REFERENCES",
            Self::Trigger => "TRIGGER",
            Self::Own => "ownership",
        })
    }
}

#[async_trait]
impl Requirement for Privilege {
    fn name(&self) -> String {
        match &self.0 {
            Right::Database => "CREATE on the database".to_owned(),
            Right::Schema(schema) => format!("CREATE on the schema `{schema}`"),
            Right::Role(role) => format!("SET ROLE to `{role}`"),
            Right::Table { schema, table, privilege: TablePrivilege::Own } => {
                format!("ownership of `{schema}.{table}`")
            }
            Right::Table { schema, table, privilege } => format!("{privilege} on `{schema}.{table}`"),
        }
    }

    async fn check(&self, cx: &Preflight<'_>) -> Result<(), BoxError> {
        let row = cx.row(&self.0.question()).await?;
        let said = |column| text(&row, column).unwrap_or_default();
        if flag(&row, "granted") {
            return Ok(());
        }
        if !flag(&row, "there") {
            return Err(Unmet::new("there is none of this name").remedy(self.0.create()).into());
        }
        let (role, object) = (said("role"), said("object"));
        let remedy = match &self.0 {
            Right::Database => format!("run `GRANT CREATE ON DATABASE {object} TO {role}`"),
            Right::Schema(_) => format!("run `GRANT USAGE, CREATE ON SCHEMA {object} TO {role}`"),
            Right::Role(_) => format!("run `GRANT {object} TO {role}`"),
            Right::Table { privilege: TablePrivilege::Own, .. } => {
                let owner = said("owner");
                format!("run `GRANT {owner} TO {role}`, or `ALTER TABLE {object} OWNER TO {role}`")
            }
            Right::Table { privilege, .. } => {
                let usage = format!("GRANT USAGE ON SCHEMA {} TO {role}", said("schema"));
                let usage = if flag(&row, "usage") { String::new() } else { format!("{usage}; ") };
                format!("run `{usage}GRANT {privilege} ON {object} TO {role}`")
            }
        };
        Err(Unmet::new(format!("the role {role} does not have it")).remedy(remedy).into())
    }
}

impl Right {
    /// One row: whether what it is about is there, whether it is granted, and to whom it is not.
    fn question(&self) -> String {
        match self {
            Self::Database => {
                "SELECT true AS there, has_database_privilege(current_database(), 'CREATE') AS granted, \
                 quote_ident(current_database()) AS object, quote_ident(current_user) AS role"
                    .to_owned()
            }
            Self::Schema(schema) => format!(
                "SELECT n.oid IS NOT NULL AS there, \
                 has_schema_privilege(n.oid, 'USAGE') AND has_schema_privilege(n.oid, 'CREATE') AS granted, \
                 quote_ident(n.nspname) AS object, quote_ident(current_user) AS role \
                 FROM (VALUES (1)) AS one LEFT JOIN pg_namespace AS n ON n.nspname = {}",
                literal(schema)
            ),
            // From 16 on a member need not be able to become the role.
            Self::Role(role) => format!(
                "SELECT r.oid IS NOT NULL AS there, pg_has_role(session_user, r.oid, \
                 CASE WHEN current_setting('server_version_num')::integer >= 160000 THEN 'SET' ELSE 'MEMBER' END) AS granted, \
                 quote_ident(r.rolname) AS object, quote_ident(session_user) AS role \
                 FROM (VALUES (1)) AS one LEFT JOIN pg_roles AS r ON r.rolname = {}",
                literal(role)
            ),
            Self::Table { schema, table, privilege } => format!(
                "SELECT c.oid IS NOT NULL AS there, has_schema_privilege(n.oid, 'USAGE') AS usage, \
                 has_schema_privilege(n.oid, 'USAGE') AND {} AS granted, quote_ident(pg_get_userbyid(c.relowner)) AS owner, \
                 quote_ident(n.nspname) AS schema, concat_ws('.', quote_ident(n.nspname), quote_ident(c.relname)) AS object, \
                 quote_ident(current_user) AS role FROM (VALUES (1)) AS one LEFT JOIN (pg_namespace AS n \
                 JOIN pg_class AS c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relname = {}) \
                 ON n.nspname = {}",
                match privilege {
                    TablePrivilege::Own => "pg_has_role(c.relowner, 'USAGE')".to_owned(),
                    privilege => format!("has_table_privilege(c.oid, '{privilege}')"),
                },
                literal(table),
                literal(schema)
            ),
        }
    }

    /// What to do where that is missing which it is about.
    fn create(&self) -> &'static str {
        match self {
            Self::Database | Self::Schema(_) => "create it",
            Self::Role(_) => "create the role, and grant it to the one that logs in",
            Self::Table { .. } => "look whether this is the right database",
        }
    }
}

/// A literal can't hold NUL.
fn plain(name: impl Into<String>) -> String {
    name.into().replace('\0', "")
}
