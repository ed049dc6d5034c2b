use std::collections::HashMap;
use std::ops::Deref;
use std::time::Duration;

use dunlin_core::Connection;
use futures_util::future::join3;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use crate::joins::Joins;
use crate::striping::Hot;
use crate::trouble::Trouble;

/// How often what puts settings back may be cut off.
const MOST_CUT_OFF: u32 = 100;

/// A connection that a worker works with, and what is prepared on it.
pub(crate) struct Desk<'a> {
    client: Lines<'a>,
    prepared: HashMap<String, Statement>,
    /// What the session's timeouts were set to.
    limits: Option<Limits>,
    /// How its pages are joined.
    pub(crate) joins: Joins,
    pub(crate) hot: Hot,
}

/// How long a statement may take, if there is an end, and how long it may wait for a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) statement: Option<Duration>,
    pub(crate) lock: Duration,
}

impl Limits {
    /// What is written down has to be, however long it takes.
    pub(crate) const NONE: Self = Self { statement: None, lock: Duration::from_secs(60) };

    fn sql(self, set: &str) -> String {
        let statement = self.statement.map_or(0, |timeout| timeout.as_millis().max(1));
        format!(
            "{set} statement_timeout = {statement}; {set} lock_timeout = {}",
            self.lock.as_millis().max(1)
        )
    }
}

enum Lines<'a> {
    Own(Connection),
    Lent(&'a Client),
}

/// Keys are written down as texts, which are to be read back as they were, whatever the role or the database is set to.
///
/// What is written and what is counted with it are one transaction: if the server crashes it loses both, and the same rows are read again.
/// So nobody waits until it is on the disk, but when a range is taken and when it is over.
///
/// A session has a name by which operators and other workers know it.
///
/// The number of rows in an array is known when the statement is planned, not before; and what is planned is short.
const SETTINGS: &str = "SET application_name = 'dunlin backfill'; SET datestyle = 'ISO, YMD'; SET intervalstyle = postgres; SET extra_float_digits = 3; \
                        SET bytea_output = hex; SET synchronous_commit = off; SET plan_cache_mode = force_custom_plan; SET jit = off";

impl<'a> Desk<'a> {
    /// What its sessions are called.
    pub(crate) const APPLICATION: &'static str = "dunlin backfill";

    pub(crate) async fn own(connection: Connection) -> Result<Self, Trouble> {
        connection.batch_execute(SETTINGS).await?;
        Ok(Self {
            client: Lines::Own(connection),
            prepared: HashMap::new(),
            limits: None,
            joins: Joins::default(),
            hot: Hot::default(),
        })
    }

    pub(crate) async fn lent(client: &'a Client) -> Result<Self, Trouble> {
        client.batch_execute(SETTINGS).await?;
        Ok(Self {
            client: Lines::Lent(client),
            prepared: HashMap::new(),
            limits: None,
            joins: Joins::default(),
            hot: Hot::default(),
        })
    }

    /// From here on statements are planned once: those that look each of many rows up by its key. To plan them for each batch takes a tenth
    /// of the server's time, as the arrays are part of the plan.
    pub(crate) async fn plan_once(self) -> Result<Self, Trouble> {
        self.batch_execute("SET plan_cache_mode = force_generic_plan").await?;
        Ok(self)
    }

    /// Prepares a statement, once.
    pub(crate) async fn prepare(&mut self, sql: String) -> Result<Statement, Trouble> {
        if let Some(statement) = self.prepared.get(&sql) {
            return Ok(statement.clone());
        }
        let statement = self.prepare_anew(&sql).await?;
        self.prepared.insert(sql, statement.clone());
        Ok(statement)
    }

    async fn prepare_anew(&self, sql: &str) -> Result<Statement, Trouble> {
        Ok(self.client().prepare(sql).await?)
    }

    /// Asks with some settings of the session, or of the transaction that is open. One flight.
    pub(crate) async fn query_with(
        &self,
        settings: &[(&str, String)],
        is_local: bool,
        statement: &Statement,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Trouble> {
        let set = settings.iter().map(|(name, value)| {
            format!(
                "pg_catalog.set_config('dunlin.{name}', pg_catalog.current_setting('{name}'), {is_local}), \
                 pg_catalog.set_config('{name}', '{value}', {is_local})"
            )
        });
        let put_back = settings.iter().map(|(name, _)| {
            format!(
                "pg_catalog.set_config('{name}', pg_catalog.current_setting('dunlin.{name}'), {is_local})"
            )
        });
        let [set, put_back] = [set.collect::<Vec<_>>(), put_back.collect()];
        let [set, put_back] = [set, put_back].map(|columns| format!("SELECT {}", columns.join(", ")));
        let (set, asked, mut is_put_back) =
            join3(self.batch_execute(&set), self.query(statement, parameters), self.batch_execute(&put_back))
                .await;
        set?;
        // A timeout among the settings may cut off what puts it back: it would stay, and cut off whatever comes next.
        for _ in 0..MOST_CUT_OFF {
            match &is_put_back {
                Err(error) if error.code() == Some(&SqlState::QUERY_CANCELED) => {
                    is_put_back = self.batch_execute(&put_back).await;
                }
                _ => break,
            }
        }
        // What it says is why the other one was refused, too.
        let rows = asked?;
        is_put_back?;
        Ok(rows)
    }

    /// Begins a transaction with these limits.
    pub(crate) async fn begin(&self, limits: Limits) -> Result<(), Trouble> {
        let limits = limits.sql("SET LOCAL");
        let sql = format!("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; {limits}");
        Ok(self.client().batch_execute(&sql).await?)
    }

    /// Sets the limits of statements that are transactions of their own.
    pub(crate) async fn limit(&mut self, limits: Limits) -> Result<(), Trouble> {
        if self.limits != Some(limits) {
            self.client().batch_execute(&limits.sql("SET")).await?;
            self.limits = Some(limits);
        }
        Ok(())
    }

    pub(crate) async fn commit(&self) -> Result<(), Trouble> {
        Ok(self.client().batch_execute("COMMIT").await?)
    }

    pub(crate) async fn roll_back(&self) -> Result<(), Trouble> {
        Ok(self.client().batch_execute("ROLLBACK").await?)
    }

    fn client(&self) -> &Client {
        match &self.client {
            Lines::Own(connection) => connection,
            Lines::Lent(client) => client,
        }
    }
}

impl Deref for Desk<'_> {
    type Target = Client;

    fn deref(&self) -> &Client {
        self.client()
    }
}
