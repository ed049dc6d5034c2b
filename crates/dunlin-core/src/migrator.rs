use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::connect::{Connect, Connection};
use crate::context::Resources;
use crate::history_sql::HistorySql;
use crate::hooks::Hooks;
use crate::lock::LockKey;
use crate::planner::Rules;
use crate::progress::{Observers, Progress};
use crate::session::Session;
use crate::wire::Wire;
use crate::{
    Ahead, Edited, Error, Fingerprint, Gate, HistoryTable, Ident, MigrationSet, Missing, OutOfOrder, Pooler,
    Stop, TransactionPolicy,
};

/// A set of migrations and how to run it.
///
/// Everything has a default that is right for a service that migrates itself on boot. One migrator serves any number of
/// databases and tasks at once.
///
/// ```no_run
/// # async fn boot(set: dunlin_core::MigrationSet, config: tokio_postgres::Config) -> Result<(), dunlin_core::Error> {
/// use std::time::Duration;
/// use dunlin_core::{Migrator, OutOfOrder};
///
/// let migrator = Migrator::new(set)
///     .application("orders 1.4.2")
///     .out_of_order(OutOfOrder::Allow)
///     .deadline(Duration::from_secs(60));
/// let report = dunlin_core::migrate(&config, tokio_postgres::NoTls, &migrator).await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Migrator {
    pub(crate) set: MigrationSet,
    pub(crate) history: HistoryTable,
    pub(crate) rules: Rules,
    pub(crate) lock_timeout: Duration,
    pub(crate) statement_timeout: Option<Duration>,
    pub(crate) deadline: Duration,
    pub(crate) application: Option<String>,
    pub(crate) search_path: Option<String>,
    pub(crate) role: Option<Ident>,
    pub(crate) gate: Gate,
    pub(crate) pooler: Pooler,
    pub(crate) direct: Option<Arc<dyn Connect>>,
    pub(crate) resources: Resources,
    pub(crate) observer: Observers,
    pub(crate) stop: Stop,
    pub(crate) hooks: Hooks,
    pub(crate) sql: HistorySql,
    pub(crate) key: LockKey,
    /// The digest that the history has when there is nothing to do.
    pub(crate) digest: String,
}

/// How to run: each method takes the migrator and gives it back.
impl Migrator {
    /// A migrator with the defaults.
    #[must_use]
    pub fn new(set: MigrationSet) -> Self {
        let history = HistoryTable::default();
        Self {
            digest: set.history_digest().to_string(),
            set,
            rules: Rules::default(),
            lock_timeout: Duration::from_millis(200),
            statement_timeout: None,
            deadline: Duration::from_secs(600),
            application: None,
            search_path: None,
            role: None,
            gate: Gate::default(),
            pooler: Pooler::default(),
            direct: None,
            resources: Resources::default(),
            observer: Observers::default(),
            stop: Stop::default(),
            hooks: Hooks::default(),
            sql: HistorySql::new(&history),
            key: LockKey::of(&history),
            history,
        }
    }

    /// Where the history is kept; `public.dunlin_history` by default.
    #[must_use]
    pub fn history(mut self, table: HistoryTable) -> Self {
        self.sql = HistorySql::new(&table);
        self.key = LockKey::of(&table);
        self.history = table;
        self
    }

    /// What to do with migrations that arrive late; denied by default.
    #[must_use]
    pub fn out_of_order(mut self, policy: OutOfOrder) -> Self {
        self.rules.policies.out_of_order = policy;
        self
    }

    /// What to do with applied migrations that the set has lost; denied by default.
    #[must_use]
    pub fn missing(mut self, policy: Missing) -> Self {
        self.rules.policies.missing = policy;
        self
    }

    /// What to do with a database that is newer than the set; allowed by default.
    #[must_use]
    pub fn ahead(mut self, policy: Ahead) -> Self {
        self.rules.policies.ahead = policy;
        self
    }

    /// What to do with migrations that were edited after they were applied; denied by default.
    #[must_use]
    pub fn edited(mut self, policy: Edited) -> Self {
        self.rules.policies.edited = policy;
        self
    }

    /// How a run is divided into transactions; one for each migration by default.
    #[must_use]
    pub fn transaction(mut self, policy: TransactionPolicy) -> Self {
        self.rules.transaction = policy;
        self
    }

    /// How long one try of a statement waits for a table's lock; 200 ms by default, 1 ms at least.
    ///
    /// While it waits, everybody who needs the table waits behind it. A migration that meets the timeout is undone and
    /// tried again, until the [`deadline`](Self::deadline). There is no last try without a timeout.
    #[must_use]
    pub fn lock_timeout(mut self, timeout: Duration) -> Self {
        self.lock_timeout = timeout.max(Duration::from_millis(1));
        self
    }

    /// How long one statement may run; without end by default, whatever the role's settings are.
    #[must_use]
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = Some(timeout);
        self
    }

    /// How long a run waits for others in all: for the migration lock, and for the locks of tables; ten minutes by
    /// default. It does not bound how long the migrations themselves run.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The application and its version, for the history.
    #[must_use]
    pub fn application(mut self, application: impl Into<String>) -> Self {
        // A literal can't hold NUL.
        self.application = Some(application.into().replace('\0', ""));
        self
    }

    /// The `search_path` that migrations run with, as `SET search_path` takes it; the role's by default.
    #[must_use]
    pub fn search_path(mut self, path: impl Into<String>) -> Self {
        self.search_path = Some(path.into().replace('\0', ""));
        self
    }

    /// The role that the migrations run as and that owns what they create, the history included: each transaction begins
    /// with `SET LOCAL ROLE`. By default it is the one that has logged in, which has to be a member of this one.
    ///
    /// So a service logs in with a role of its own, and what it creates belongs to the application's owner. The history is
    /// read as this role, too; only [`verify_read_only`](Self::verify_read_only) does without it.
    ///
    /// ```
    /// # fn f(set: dunlin_core::MigrationSet) -> Result<(), dunlin_core::IdentError> {
    /// use dunlin_core::{Ident, Migrator};
    ///
    /// // CREATE ROLE orders_owner; GRANT orders_owner TO orders_deploy;
    /// let migrator = Migrator::new(set).role(Ident::new("orders_owner")?);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn role(mut self, owner: Ident) -> Self {
        self.role = Some(owner);
        self
    }

    /// What stands between the program and the server; nothing by default. What the library does differently is told at
    /// [`Pooler::Transaction`], which takes a run that opens its own connections: [`migrate`](crate::migrate),
    /// [`run_through`](Self::run_through).
    ///
    /// ```no_run
    /// # async fn boot(set: dunlin_core::MigrationSet) -> Result<(), Box<dyn std::error::Error>> {
    /// use dunlin_core::{Migrator, Pooler};
    /// use tokio_postgres::NoTls;
    ///
    /// let migrator = Migrator::new(set).pooler(Pooler::Transaction);
    /// dunlin_core::migrate(&"host=pgbouncer user=orders".parse()?, NoTls, &migrator).await?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn pooler(mut self, pooler: Pooler) -> Self {
        self.pooler = pooler;
        self
    }

    /// Where connections come from that lead to the server itself, for a service whose own go through a pooler.
    ///
    /// A run that finds nothing to do has no use for them. One that has work closes the connection that it has looked with,
    /// and works on one of these, whatever [`pooler`](Self::pooler) says. That holds for runs that open their own connections;
    /// [`run`](Self::run) works on the client that it gets.
    ///
    /// ```no_run
    /// # async fn boot(set: dunlin_core::MigrationSet) -> Result<(), Box<dyn std::error::Error>> {
    /// use dunlin_core::{Direct, Migrator};
    /// use tokio_postgres::NoTls;
    ///
    /// let migrator = Migrator::new(set).direct(Direct::new("host=db user=orders".parse()?, NoTls));
    /// dunlin_core::migrate(&"host=pgbouncer user=orders".parse()?, NoTls, &migrator).await?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn direct(mut self, connect: impl Connect + 'static) -> Self {
        self.direct = Some(Arc::new(connect));
        self
    }

    /// Says that nothing stands between the program and the server: takes back [`pooler`](Self::pooler) and
    /// [`direct`](Self::direct).
    ///
    /// It is for a service's own migrator on a database that is not the service's own, which connections of
    /// [`direct`](Self::direct) would never lead to.
    #[must_use]
    pub fn without_pooler(mut self) -> Self {
        self.pooler = Pooler::default();
        self.direct = None;
        self
    }

    /// Something of the application's for [`Context::resource`](crate::Context::resource), one value of a type.
    #[must_use]
    pub fn resource<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.resources.insert(value);
        self
    }

    /// Who is told what a run is doing, beside those who were named before. It is called on the task that runs, and should
    /// return soon.
    #[must_use]
    pub fn on_progress(mut self, observer: impl Fn(Progress<'_>) + Send + Sync + 'static) -> Self {
        self.observer.add(observer);
        self
    }

    /// What asks runs of this migrator to stop before they are done; nothing by default.
    #[must_use]
    pub fn stop_on(mut self, stop: &Stop) -> Self {
        self.stop = stop.clone();
        self
    }

    /// What asks runs of this migrator to stop.
    #[must_use]
    pub fn stop(&self) -> &Stop {
        &self.stop
    }

    /// What was given to [`application`](Self::application).
    #[must_use]
    pub fn application_name(&self) -> Option<&str> {
        self.application.as_deref()
    }

    /// The migrations.
    #[must_use]
    pub fn set(&self) -> &MigrationSet {
        &self.set
    }

    /// Where the history is.
    #[must_use]
    pub fn history_table(&self) -> &HistoryTable {
        &self.history
    }

    /// Something of the application's that was given to [`resource`](Self::resource), by its type.
    #[must_use]
    pub fn resource_of<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.resources.get()
    }

    /// Opens a connection that is set as those of migrations are: the [`role`](Self::role), the
    /// [`search_path`](Self::search_path), no timeouts but one of ten seconds for locks, and no row security that would hide
    /// rows.
    ///
    /// It is for libraries whose work goes on beside a run or after it. [`Context::connect`](crate::Context::connect) is the
    /// same inside a hook.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) with [`Pooler::Transaction`]: what is set would be another
    /// client's. And when the server can't be reached, or refuses.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection.
    pub async fn open(&self, connect: &dyn Connect) -> Result<Connection, Error> {
        if self.pooler == Pooler::Transaction && self.direct.is_none() {
            return Err(Error::no_session());
        }
        let connection = connect.connect().await?;
        let path = self.search_path.as_deref();
        Session::set(&Wire::new(&connection), self.role.as_ref(), path)
            .await
            .map_err(|error| Error::database("setting a session up", error))?;
        Ok(connection)
    }

    /// A digest of what decides how a database is when the migrations have run: the set's
    /// [`fingerprint`](MigrationSet::fingerprint) by itself, unless [`history`](Self::history), [`role`](Self::role) or
    /// [`search_path`](Self::search_path) are not the defaults.
    ///
    /// It does not see what [`resource`](Self::resource) brings, what hooks do, nor the name of the
    /// [`application`](Self::application).
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let usual = HistoryTable::default();
        let mut text = String::new();
        if (self.history.schema(), self.history.table()) != (usual.schema(), usual.table()) {
            text.push_str(&format!("history\t{}\n", self.history));
        }
        if let Some(role) = &self.role {
            text.push_str(&format!("role\t{role}\n"));
        }
        if let Some(path) = &self.search_path {
            text.push_str(&format!("search_path\t{path}\n"));
        }
        let set = self.set.fingerprint();
        if text.is_empty() { set } else { set.and(&text) }
    }
}

impl Migrator {
    /// Refuses to run when the folder that was embedded holds a migration that the program does not. Debug builds only.
    pub(crate) fn check_build(&self) -> Result<(), Error> {
        let Some(folder) = self.set.folder() else { return Ok(()) };
        // A program that runs where it was not built has no such folder.
        let Ok(entries) = std::fs::read_dir(folder.path) else { return Ok(()) };
        let is_migration = |name: &String| matches!(dunlin_script::FileName::parse(name), Ok(Some(_)));
        let mut added: Vec<_> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| is_migration(name) && !folder.files.contains(&name.as_str()))
            .collect();
        added.sort();
        if added.is_empty() { Ok(()) } else { Err(Error::stale_build(folder.path, added)) }
    }
}

impl fmt::Debug for Migrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Migrator")
            .field("set", &self.set)
            .field("history", &self.history)
            .field("rules", &self.rules)
            .field("lock_timeout", &self.lock_timeout)
            .field("deadline", &self.deadline)
            .field("role", &self.role)
            .field("pooler", &self.pooler)
            .field("has_direct", &self.direct.is_some())
            .field("observer", &self.observer)
            .field("hooks", &self.hooks)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Direct;
    use crate::ErrorKind;
    use crate::embedded::{Folder, set};

    #[test]
    fn a_fingerprint_is_that_of_the_set_until_something_else_is_made() {
        let set = MigrationSet::builder().sql(1, "a", "SELECT 1").build().unwrap();
        let migrator = || Migrator::new(set.clone());
        let direct = Direct::new(tokio_postgres::Config::new(), tokio_postgres::NoTls);
        let same = migrator()
            .history(HistoryTable::default().beside_others())
            .resource(7)
            .application("orders")
            .lock_timeout(Duration::from_secs(1))
            .pooler(Pooler::Transaction)
            .direct(direct);
        let others = [
            migrator().history(HistoryTable::new("app", "dunlin_history").unwrap()),
            migrator().history(HistoryTable::new("public", "history").unwrap()),
            migrator().role(Ident::new("app").unwrap()),
            migrator().search_path("app"),
            migrator().search_path(""),
            migrator().search_path("app").role(Ident::new("app").unwrap()),
        ];

        assert_eq!(migrator().fingerprint(), set.fingerprint());
        assert_eq!(same.fingerprint(), set.fingerprint());
        let mut seen = vec![set.fingerprint()];
        for other in others {
            assert!(!seen.contains(&other.fingerprint()), "{other:?}");
            seen.push(other.fingerprint());
        }
    }

    #[test]
    fn f46_a_file_that_was_added_after_the_build_is_noticed() {
        let folder = std::env::temp_dir().join(format!("dunlin-stale-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("0001_a.sql"), "SELECT 1").unwrap();
        std::fs::write(folder.join("README.md"), "Not a migration.").unwrap();
        let path: &'static str = folder.to_str().unwrap().to_owned().leak();
        let migrator = Migrator::new(set("", &[], &[], Some(Folder { path, files: &["0001_a.sql"] })));
        assert!(migrator.check_build().is_ok());
        std::fs::write(folder.join("0002_b.up.sql"), "SELECT 2").unwrap();
        let error = migrator.check_build().unwrap_err();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(error.kind(), ErrorKind::StaleBuild);
        assert!(error.to_string().contains("`0002_b.up.sql`"), "{error}");
        assert!(migrator.check_build().is_ok(), "a program that runs elsewhere has no folder");
    }
}
