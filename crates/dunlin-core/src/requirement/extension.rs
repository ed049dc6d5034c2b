use async_trait::async_trait;

use super::Requirement;
use crate::ident::literal;
use crate::wire::{flag, text};
use crate::{BoxError, Preflight, Unmet};

/// Roles of those who administer a managed server: they may create extensions that elsewhere a superuser alone may.
const MANAGERS: &str = "'rds_superuser', 'cloudsqlsuperuser', 'azure_pg_admin'";

/// An extension is in the database, or the migrations may create it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    name: String,
}

impl Extension {
    /// The extension is installed in the database; or it is available on the server, and the [role](crate::Migrator::role) of the
    /// migrations may create it: one that is trusted with CREATE on the database, any as a superuser, or as the administrator
    /// of a managed server. Extensions that it needs in turn are not looked at.
    #[must_use]
    pub fn available(name: impl Into<String>) -> Self {
        // A literal can't hold NUL.
        Self { name: name.into().replace('\0', "") }
    }
}

#[async_trait]
impl Requirement for Extension {
    fn name(&self) -> String {
        format!("extension `{}`", self.name)
    }

    async fn check(&self, cx: &Preflight<'_>) -> Result<(), BoxError> {
        // Versions before 13 know no trusted ones.
        let question = format!(
            "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = w.name) AS installed, \
             a.name IS NOT NULL AS available, \
             v.superuser AND NOT coalesce((to_jsonb(v) ->> 'trusted')::boolean, false) AS restricted, \
             (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) OR EXISTS \
             (SELECT FROM pg_roles WHERE rolname IN ({MANAGERS}) AND pg_has_role(oid, 'MEMBER')) AS superuser, \
             has_database_privilege(current_database(), 'CREATE') AS may_create, \
             quote_ident(w.name) AS extension, quote_ident(current_user) AS role, \
             quote_ident(current_database()) AS database, \
             current_setting('server_version_num')::integer / 10000 AS major \
             FROM (VALUES ({}::text)) AS w (name) LEFT JOIN pg_available_extensions AS a ON a.name = w.name \
             LEFT JOIN pg_available_extension_versions AS v ON v.name = a.name AND v.version = a.default_version",
            literal(&self.name)
        );
        let row = cx.row(&question).await?;
        let said = |column| text(&row, column).unwrap_or_default();
        if flag(&row, "installed") {
            return Ok(());
        }
        if !flag(&row, "available") {
            let remedy = format!(
                "install it there, for PostgreSQL {}; what comes with PostgreSQL itself is in its contrib package",
                said("major")
            );
            return Err(Unmet::new("the server does not have it").remedy(remedy).into());
        }
        let (extension, role, database) = (said("extension"), said("role"), said("database"));
        let create = format!("let a superuser run `CREATE EXTENSION {extension}` in the database {database}");
        if flag(&row, "superuser") || flag(&row, "may_create") && !flag(&row, "restricted") {
            Ok(())
        } else if flag(&row, "restricted") {
            Err(Unmet::new(format!("only a superuser may create it, which the role {role} is not"))
                .remedy(create)
                .into())
        } else {
            let remedy = format!("run `GRANT CREATE ON DATABASE {database} TO {role}`, or {create}");
            Err(Unmet::new(format!("the role {role} may not create it")).remedy(remedy).into())
        }
    }
}
