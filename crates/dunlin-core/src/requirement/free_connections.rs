use async_trait::async_trait;

use super::Requirement;
use crate::wire::{flag, text, value};
use crate::{BoxError, Preflight, Unmet};

/// Connections are left for others, or for what the migrations open themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FreeConnections {
    least: u32,
}

impl FreeConnections {
    /// So many connections are free for the role that logs in, besides the run's own: of the server's `max_connections` less those
    /// that are reserved, of the database's and of the role's own limit.
    ///
    /// It is what was true at that moment. Behind a pooler it is about the server.
    #[must_use]
    pub fn at_least(connections: u32) -> Self {
        Self { least: connections }
    }
}

#[async_trait]
impl Requirement for FreeConnections {
    fn name(&self) -> String {
        match self.least {
            1 => "one free connection".to_owned(),
            least => format!("{least} free connections"),
        }
    }

    async fn check(&self, cx: &Preflight<'_>) -> Result<(), BoxError> {
        // Whoever may not look at a session does not see its kind either. -1 is no limit; a superuser has none.
        let row = cx
            .row(
                "SELECT current_setting('max_connections')::integer AS most, \
                 CASE WHEN r.rolsuper THEN 0 ELSE current_setting('superuser_reserved_connections')::integer \
                 + CASE WHEN pg_has_role(r.oid, (SELECT oid FROM pg_roles WHERE rolname = 'pg_use_reserved_connections'), 'USAGE') \
                 THEN 0 ELSE coalesce(current_setting('reserved_connections', true)::integer, 0) END END AS reserved, \
                 s.used, s.of_database, s.of_role, r.rolsuper AS superuser, \
                 d.datconnlimit AS database_limit, r.rolconnlimit AS role_limit, \
                 quote_ident(d.datname) AS database, quote_ident(r.rolname) AS role \
                 FROM pg_database AS d, pg_roles AS r, (SELECT count(*) AS used, \
                 count(*) FILTER (WHERE datname = current_database()) AS of_database, \
                 count(*) FILTER (WHERE usename = session_user) AS of_role FROM pg_stat_activity \
                 WHERE coalesce(backend_type, 'client backend') = 'client backend' AND datid IS NOT NULL) AS s \
                 WHERE d.datname = current_database() AND r.rolname = session_user",
            )
            .await?;
        let number = |column| value::<i64>(&row, column).unwrap_or(0);
        let said = |column| text(&row, column).unwrap_or_default();
        let (most, reserved) = (number("most"), number("reserved"));
        let mut limits = vec![(
            most.saturating_sub(reserved).saturating_sub(number("used")),
            format!("of the server's {most}, of which {reserved} are reserved"),
            "close some, or raise its `max_connections`".to_owned(),
        )];
        for (limit, used, whose, statement) in [
            ("database_limit", "of_database", "database", "DATABASE"),
            ("role_limit", "of_role", "role", "ROLE"),
        ] {
            let most = number(limit);
            if most >= 0 && !flag(&row, "superuser") {
                limits.push((
                    most.saturating_sub(number(used)),
                    format!("of the {most} that the {whose} {} may have", said(whose)),
                    format!(
                        "close some, or raise its limit with `ALTER {statement} {} CONNECTION LIMIT`",
                        said(whose)
                    ),
                ));
            }
        }
        let tightest = limits.into_iter().min_by_key(|(free, ..)| *free);
        match tightest {
            Some((free, whose, remedy)) if free < i64::from(self.least) => {
                let are = if free == 1 { "is" } else { "are" };
                Err(Unmet::new(format!("{} {are} free {whose}", free.max(0))).remedy(remedy).into())
            }
            _ => Ok(()),
        }
    }
}
