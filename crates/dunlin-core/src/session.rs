//! What the session of a run is set to, and set back to after each migration.

use std::fmt::Write as _;
use std::time::Duration;

use tokio_postgres::SimpleQueryRow;

use crate::Pooler;
use crate::ident::{Ident, literal};
use crate::wire::{Wire, text};

/// A setting that says which run has the lock of a session: who shares the session by way of a pooler shares the lock.
pub(crate) const OWNER: &str = "dunlin.owner";

/// What the driver speaks.
const UTF8: &str = "SET client_encoding = 'UTF8'";

/// The path that the library's own SQL runs with: nothing that an unprivileged role could have put there is found.
pub(crate) const OWN_PATH: &str = "pg_catalog, pg_temp";

/// Settings of the whole session. Timeouts that a role brings along are for the application's queries, not for a
/// migration; the rest frees the lock within seconds when this process or its network dies.
const SETTINGS: [(&str, &str); 11] = [
    ("statement_timeout", "0"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "0"),
    ("idle_session_timeout", "0"),
    ("transaction_timeout", "0"),
    ("tcp_keepalives_idle", "3"),
    ("tcp_keepalives_interval", "1"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "6s"),
    ("client_connection_check_interval", "250ms"),
    ("row_security", "off"),
];

/// Those that a migration's own transaction has values of its own for, or no use for.
const NOT_LOCAL: [&str; 3] = ["lock_timeout", "statement_timeout", "row_security"];

/// What a run's sessions are set to.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// The settings that this server has: known after the first flight under the lock.
    names: Vec<&'static str>,
    /// How long the session's own settings hold: behind a pooler in transaction mode there is no session.
    scope: Scope,
    /// Who the library and the migrations are, where it is not the role that has logged in.
    role: Option<Ident>,
}

impl Session {
    pub(crate) fn new(pooler: Pooler, role: Option<&Ident>) -> Self {
        let scope = match pooler {
            Pooler::Session => Scope::Session,
            Pooler::Transaction => Scope::Transaction,
        };
        Self { names: Vec::new(), scope, role: role.cloned() }
    }

    /// Whether nothing may be set but for a transaction.
    pub(crate) fn is_pooled(&self) -> bool {
        self.scope == Scope::Transaction
    }

    /// Sets what this server version has, unless `guard` raises. One row for [`learn`](Self::learn): a column for each
    /// setting, NULL for what it lacks.
    ///
    /// A join with `pg_settings` would say the same, for 1.7 ms of the server's time.
    pub(crate) fn prepare(&self, guard: &str) -> String {
        let local = self.is_pooled();
        let columns: Vec<_> = SETTINGS
            .iter()
            .chain([&("search_path", OWN_PATH)])
            .map(|(name, value)| {
                // The check interval is refused where the operating system can't do it.
                let condition = match *name {
                    "client_connection_check_interval" => {
                        " AND pg_catalog.strpos(pg_catalog.version(), 'linux') OPERATOR(pg_catalog.>) 0"
                    }
                    _ => "",
                };
                let condition = format!("pg_catalog.current_setting('{name}', true) IS NOT NULL{condition}");
                format!("CASE WHEN {condition} THEN pg_catalog.set_config('{name}', '{value}', {local}) END AS {name}")
            })
            .chain(self.role.iter().map(|role| {
                format!("pg_catalog.set_config('role', {}, {local})", literal(role.as_str()))
            }))
            .collect();
        format!("SELECT {guard}, {}", columns.join(", "))
    }

    /// Reads the row of [`prepare`](Self::prepare).
    pub(crate) fn learn(&mut self, rows: &[SimpleQueryRow]) {
        let known = |name: &&str| rows.first().is_some_and(|row| text(row, name).is_some());
        self.names = SETTINGS.iter().map(|(name, _)| *name).filter(known).collect();
    }

    /// The names of all that it may set, as an array.
    pub(crate) fn all_settings() -> String {
        let names = SETTINGS.iter().map(|(name, _)| *name).chain(["search_path", OWNER]);
        format!("ARRAY[{}]", names.map(literal).collect::<Vec<_>>().join(", "))
    }

    fn known(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        SETTINGS.into_iter().filter(|(name, _)| self.names.contains(name))
    }

    /// Sets a session up that is none of a run's: as a migration's, with the path that was given or the role's own.
    pub(crate) async fn set(
        wire: &Wire<'_>,
        role: Option<&Ident>,
        path: Option<&str>,
    ) -> Result<(), tokio_postgres::Error> {
        let path = match path {
            Some(path) => format!("SELECT pg_catalog.set_config('search_path', {}, false)", literal(path)),
            None => "RESET search_path".to_owned(),
        };
        let sql = format!("{}; {path}", Self::new(Pooler::Session, role).prepare("true"));
        wire.rows(&sql).await.map(drop)
    }

    /// Undoes whatever a migration has left in the session, so that nothing of it reaches what comes next. A temporary
    /// table would hide a table of the same name.
    ///
    /// What a pooler's server connection is reset to need not be the encoding that this client speaks.
    pub(crate) const RESET: [&'static str; 5] =
        ["RESET SESSION AUTHORIZATION", "RESET ROLE", "RESET ALL", UTF8, "DISCARD TEMP"];

    /// The same between two migrations of one flight, where the role is reset already.
    pub(crate) const RESET_BETWEEN: [&'static str; 3] = ["RESET ALL", UTF8, "DISCARD TEMP"];

    /// The statements at the end of a run: the same, and what does no harm to the next migration.
    pub(crate) fn give_back() -> [&'static str; 7] {
        let [authorization, role, all, encoding, temporary] = Self::RESET;
        [authorization, role, all, encoding, temporary, "CLOSE ALL", "UNLISTEN *"]
    }

    /// Undoes what a script may have set about how the text of the next message is read: the server reads a message as a
    /// whole, before a reset inside it runs.
    pub(crate) const RESET_READING: [&'static str; 3] =
        [UTF8, "RESET standard_conforming_strings", "RESET backslash_quote"];

    /// What is not inside a transaction that says otherwise writes nothing.
    pub(crate) const READ_ONLY: &'static str = "SET default_transaction_read_only = on";

    /// The library's own role and path, until the end of the transaction.
    pub(crate) fn own(&self) -> Vec<String> {
        let mut statements = vec![
            "SET LOCAL SESSION AUTHORIZATION DEFAULT".to_owned(),
            "SET LOCAL role TO DEFAULT".to_owned(),
        ];
        statements.extend(self.own_local());
        statements
    }

    /// The same where the role is reset already.
    pub(crate) fn own_local(&self) -> Vec<String> {
        let role = self.role.iter().map(|role| format!("SET LOCAL ROLE {role}"));
        role.chain([format!("SET LOCAL search_path = {OWN_PATH}")]).collect()
    }

    /// A question that is asked by the role, outside of a caller's transaction.
    pub(crate) fn asked_by(role: Option<&Ident>, question: &str) -> String {
        match role {
            Some(role) => format!("SET LOCAL ROLE {role}; {question}"),
            None => question.to_owned(),
        }
    }

    /// A question asked by the role, and refused where row security would hide rows of the answer. In a caller's transaction
    /// everything is as it was afterwards; rows without the question's columns come with the answer.
    pub(crate) fn aside(role: Option<&Ident>, question: &str) -> String {
        let role = role.map(|role| format!("SET LOCAL ROLE {role}; ")).unwrap_or_default();
        let (keep, put_back): (Vec<_>, Vec<_>) = ["role", "row_security"]
            .map(|name| {
                (
                    format!(
                        "pg_catalog.set_config('dunlin.{name}', pg_catalog.current_setting('{name}'), true)"
                    ),
                    format!(
                        "pg_catalog.set_config('{name}', pg_catalog.current_setting('dunlin.{name}'), true)"
                    ),
                )
            })
            .into_iter()
            .unzip();
        format!(
            "SELECT {}; SET LOCAL row_security = off; {role}{question}; SELECT {}",
            keep.join(", "),
            put_back.join(", ")
        )
    }

    /// After [`RESET`](Self::RESET): the session's settings again, unless `guard` raises.
    pub(crate) fn restore(&self, guard: &str) -> String {
        let mut sql =
            format!("SELECT {guard}, pg_catalog.set_config('search_path', {}, false)", literal(OWN_PATH));
        if let Some(role) = &self.role {
            let _ = write!(sql, ", pg_catalog.set_config('role', {}, false)", literal(role.as_str()));
        }
        for (name, value) in self.known() {
            let _ = write!(sql, ", pg_catalog.set_config('{name}', '{value}', false)");
        }
        sql
    }

    /// Ends whatever transaction is open and brings the session back, in one message.
    pub(crate) fn recover(&self, guard: &str) -> String {
        match self.scope {
            Scope::Session => format!("ROLLBACK; {}", self.take_back(guard)),
            Scope::Transaction => "ROLLBACK".to_owned(),
        }
    }

    /// The settings of one transaction, a statement each: the server sets a parameter in less time than it plans a call of
    /// `set_config`.
    pub(crate) fn local(&self, settings: &Local<'_>) -> Vec<String> {
        self.statements(Scope::Transaction, settings)
    }

    /// Gives the session to a migration outside a transaction: nothing that came before is left, and its own timeouts
    /// and path stay until the next reset.
    pub(crate) fn lend(&self, settings: &Local<'_>, guard: &str) -> String {
        let statements = self.statements(Scope::Session, settings).join("; ");
        format!("{}; SELECT {guard}; {statements}", Self::RESET.join("; "))
    }

    /// Takes the session back.
    pub(crate) fn take_back(&self, guard: &str) -> String {
        format!("{}; {}", Self::RESET.join("; "), self.restore(guard))
    }

    /// Sets the timeouts of the statements that follow.
    pub(crate) fn set_timeouts(lock: Duration, statement: Duration) -> String {
        format!(
            "SET lock_timeout = '{}'; SET statement_timeout = '{}'",
            milliseconds(lock),
            milliseconds(statement)
        )
    }

    fn statements(&self, scope: Scope, settings: &Local<'_>) -> Vec<String> {
        let (set, local) = match scope {
            Scope::Transaction => ("SET LOCAL", true),
            Scope::Session => ("SET", false),
        };
        let mut statements: Vec<_> = self
            .known()
            .filter(|(name, _)| !NOT_LOCAL.contains(name))
            .map(|(name, value)| format!("{set} {name} = '{value}'"))
            .collect();
        statements.push(format!("{set} lock_timeout = '{}'", milliseconds(settings.lock_timeout)));
        statements.push(format!("{set} statement_timeout = '{}'", milliseconds(settings.statement_timeout)));
        statements.extend(self.role.as_ref().map(|role| format!("{set} ROLE {role}")));
        if let Some(path) = settings.search_path {
            // The one setting that is a list: `SET` would take a literal for one name.
            statements
                .push(format!("SELECT pg_catalog.set_config('search_path', {}, {local})", literal(path)));
        }
        if settings.asynchronous {
            statements.push(format!("{set} synchronous_commit = off"));
        }
        statements
    }
}

/// How long a setting holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Transaction,
    Session,
}

/// What one migration's transaction is set to, besides the session's settings.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Local<'a> {
    /// Zero is no timeout.
    pub(crate) lock_timeout: Duration,
    /// Zero is no timeout.
    pub(crate) statement_timeout: Duration,
    /// The path of the migration's own SQL, where it is not the role's.
    pub(crate) search_path: Option<&'a str>,
    /// A later commit of the run flushes this one.
    pub(crate) asynchronous: bool,
}

fn milliseconds(duration: Duration) -> String {
    // The server counts in 32 bits; whoever asks for more than 24 days means no end. Zero is no end as well, and less
    // than a millisecond is not.
    let rounded_up = duration.as_nanos().div_ceil(1_000_000);
    let milliseconds = i32::try_from(rounded_up).unwrap_or(0);
    format!("{milliseconds}ms")
}
