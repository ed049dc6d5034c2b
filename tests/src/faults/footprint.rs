//! What a run has left in a database, and whether that is what it should be.

use std::time::{Duration, Instant};

use dunlin::{BoxError, Target};
use tokio_postgres::{Client, Config, NoTls};

use crate::faults::scenario::Scenario;

/// How long a server may take to notice that clients are gone.
const PATIENCE: Duration = Duration::from_secs(20);

/// All that a run leaves, a line each: effects, rows, history, events, relations, prepared transactions.
const FOOTPRINT: &str = "
    SELECT concat_ws(E'\\n',
        'effects: ' || (SELECT string_agg(step, ' ' ORDER BY id) FROM effects),
        'birds: ' || (SELECT count(*) || ' of ' || string_agg(DISTINCT song, ' ') FROM birds),
        'history: ' || (SELECT string_agg(concat_ws(' ', ordinal, version, state, statements_done), ', ' ORDER BY ordinal)
                        FROM dunlin_history),
        'applied: ' || (SELECT string_agg(version::text, ' ' ORDER BY id) FROM dunlin_history_events
                        WHERE event = 'applied'),
        'failed: ' || (SELECT count(*) FROM dunlin_history_events WHERE event NOT IN ('started', 'applied')),
        'relations: ' || (SELECT string_agg(concat_ws(' ', c.relname, c.relkind, i.indisvalid AND i.indisready), ', ' ORDER BY c.relname)
                          FROM pg_class AS c LEFT JOIN pg_index AS i ON i.indexrelid = c.oid
                          WHERE c.relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace,
                                                       'pg_toast'::regnamespace)),
        'prepared: ' || (SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()))";

/// The advisory locks of the database, the sessions of others, and those of them that are inside a transaction. Sessions that
/// are called `witness` are the harness's.
const OPEN: &str = "
    SELECT (SELECT count(*) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database
            WHERE l.locktype = 'advisory' AND d.datname = current_database()),
        count(*), count(xact_start)
    FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND backend_type = 'client backend' AND application_name <> 'witness'";

/// What is open in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    /// Advisory locks.
    locks: i64,
    /// Sessions of others.
    sessions: i64,
    /// Those of them that are inside a transaction.
    transactions: i64,
}

impl Open {
    async fn now(witness: &Client) -> Result<Self, BoxError> {
        let row = witness.query_one(OPEN, &[]).await?;
        Ok(Self { locks: row.get(0), sessions: row.get(1), transactions: row.get(2) })
    }

    /// Nobody holds a lock or a transaction.
    pub(crate) fn is_free(&self) -> bool {
        self.locks == 0 && self.transactions == 0
    }

    fn is_nothing(&self) -> bool {
        self.is_free() && self.sessions == 0
    }

    /// Waits for a state, and returns how long that took.
    pub(crate) async fn until(witness: &Client, state: impl Fn(&Self) -> bool) -> Result<Duration, BoxError> {
        let began = Instant::now();
        loop {
            let open = Self::now(witness).await?;
            if state(&open) {
                return Ok(began.elapsed());
            }
            if began.elapsed() > PATIENCE {
                return Err(format!("{open:?} after {PATIENCE:?}").into());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// What a run leaves that nothing went wrong with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Footprint {
    scenario: Scenario,
    left: String,
}

impl Footprint {
    /// Applies the scenario in peace and looks at what it leaves.
    ///
    /// # Errors
    /// When it is not what the scenario says.
    pub(crate) async fn of_peace(scenario: Scenario, config: &Config) -> Result<Self, BoxError> {
        dunlin::migrate(config, NoTls, &scenario.migrator()).await?;
        let left = left(&witness(config).await?).await?;
        match left.contains(&format!("effects: {}\n", scenario.effects())) {
            true => Ok(Self { scenario, left }),
            false => Err(format!("a run in peace has left\n{left}").into()),
        }
    }

    /// Applies the scenario once more, in peace, and compares.
    ///
    /// # Errors
    /// When the run fails, or leaves anything else.
    pub(crate) async fn converges(&self, config: &Config) -> Result<(), BoxError> {
        let migrator = self.scenario.migrator();
        let run = dunlin::migrate(config, NoTls, &migrator);
        let run = tokio::time::timeout(Duration::from_secs(90), run).await;
        let report = run
            .map_err(|_| "the run in peace hangs")?
            .map_err(|error| format!("the run in peace: {error}"))?;
        if report.applied().count() + report.already_applied() < self.scenario.steps() {
            return Err(format!("the run in peace says: {report}").into());
        }
        let mut client = witness(config).await?;
        Open::until(&client, Open::is_nothing).await.map_err(|error| format!("left open: {error}"))?;
        self.compare(&left(&client).await?)?;
        let again = migrator.run(&mut client, Target::Latest).await?;
        match again.flights() {
            1 => Ok(()),
            _ => Err(format!("the next boot is no single flight: {again}").into()),
        }
    }
}

impl Footprint {
    /// The lines that differ are an error.
    fn compare(&self, left: &str) -> Result<(), BoxError> {
        let lines = self.left.lines().zip(left.lines()).filter(|(should, is)| should != is);
        let differences: Vec<_> =
            lines.map(|(should, is)| format!("\n  left        {is}\n  instead of  {should}")).collect();
        match self.left == left {
            true => Ok(()),
            false => Err(differences.concat().into()),
        }
    }
}

async fn left(client: &Client) -> Result<String, BoxError> {
    Ok(client.query_one(FOOTPRINT, &[]).await?.get(0))
}

/// A session of the harness, which does not count.
pub(crate) async fn witness(config: &Config) -> Result<Client, BoxError> {
    let (client, connection) = config.clone().application_name("witness").connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}
