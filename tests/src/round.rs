//! Runners that work on one database at once, and what they have left.

use std::collections::BTreeMap;
use std::time::Duration;

use dunlin::{BoxError, Error, MigrationSet, Migrator, Report};
use dunlin_test::Database;
use tokio_postgres::{Client, Config, NoTls};

/// One round of runners on a fresh database, all at once, and a look at it afterwards.
#[derive(Debug)]
pub struct Round {
    /// What each runner says.
    pub outcomes: Vec<Result<Report, Error>>,
    /// What can't be: an effect that was had twice or not recorded, a record without its effect, a runner that claims
    /// success where there is none.
    pub wrong: Vec<String>,
    /// The sessions that still hold an advisory lock though nobody runs, by what they do.
    pub leaked: Vec<String>,
}

impl Round {
    /// So many migrations whose effects can be counted: nothing but the history keeps them from being had twice.
    pub fn set(count: i64) -> MigrationSet {
        let effect = |n| format!("INSERT INTO public.effects VALUES ({n})");
        let first = "CREATE TABLE IF NOT EXISTS public.effects (version bigint)";
        let set = (1..=count).fold(MigrationSet::builder(), |set, n| {
            let up = if n == 1 { format!("{first}; {}", effect(n)) } else { effect(n) };
            set.sql(n, format!("effect_{n}"), up)
        });
        set.build().expect("the texts are sound")
    }

    /// Lets the migrator, whose set is [`set`](Self::set), run so many times at once, each on a connection of its own to
    /// `through`, and looks at the database past whatever stands in between.
    pub async fn run(migrator: &Migrator, database: &Database, through: &Config, runners: usize) -> Self {
        let tasks: Vec<_> = (0..runners)
            .map(|_| {
                let (config, migrator) = (through.clone(), migrator.clone());
                tokio::spawn(async move { dunlin::migrate(&config, NoTls, &migrator).await })
            })
            .collect();
        let mut outcomes = Vec::new();
        for task in tasks {
            outcomes.push(task.await.expect("a runner does not panic"));
        }
        Self::of(migrator, database, outcomes).await
    }

    /// Looks at what runners have left, of which these have said something.
    pub async fn of(migrator: &Migrator, database: &Database, outcomes: Vec<Result<Report, Error>>) -> Self {
        let client = database.connect().await.expect("the server answers");
        let wrong = wrong(migrator, &client, &outcomes).await;
        Self { outcomes, wrong, leaked: leaked(&client).await }
    }

    /// Whether nothing is wrong and nothing leaked, and nobody has failed but with an error that is allowed.
    ///
    /// # Errors
    /// What is not so.
    pub fn is_right(&self, allows: impl Fn(&Error) -> bool) -> Result<(), BoxError> {
        let errors = self.errors().filter(|error| !allows(error));
        let errors = errors.map(|error| format!("a runner: {:?}: {error}", error.kind()));
        let leaked = self.leaked.iter().map(|lock| format!("leaked: {lock}"));
        let not: Vec<_> = self.wrong.iter().cloned().chain(leaked).chain(errors).collect();
        if not.is_empty() { Ok(()) } else { Err(not.join("\n  ").into()) }
    }

    /// The errors of those that have failed.
    pub fn errors(&self) -> impl Iterator<Item = &Error> {
        self.outcomes.iter().filter_map(|outcome| outcome.as_ref().err())
    }
}

async fn wrong(migrator: &Migrator, client: &Client, outcomes: &[Result<Report, Error>]) -> Vec<String> {
    let effects = counts(client, "public.effects", "version").await;
    let records = counts(client, "public.dunlin_history", "version").await;
    let mut wrong = Vec::new();
    for (version, times) in &effects {
        if *times != 1 {
            wrong.push(format!("effect {version} was had {times} times"));
        }
        if !records.contains_key(version) {
            wrong.push(format!("effect {version} has no record"));
        }
    }
    for version in records.keys().filter(|version| !effects.contains_key(*version)) {
        wrong.push(format!("record {version} has no effect"));
    }
    let claimed: usize = outcomes.iter().flatten().map(|report| report.applied().count()).sum();
    let failed: usize = outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).map(done).sum();
    // Who has lost the connection may not know what it has done.
    if claimed + failed > records.len() {
        wrong.push(format!("{claimed} and {failed} are claimed where there are {}", records.len()));
    }
    let is_claimed = outcomes.iter().any(Result::is_ok);
    if is_claimed && records.len() != migrator.set().len() {
        wrong.push(format!("a runner has succeeded, with {} records", records.len()));
    }
    wrong
}

fn done(error: &Error) -> usize {
    error.report().applied().count()
}

/// How often each value is in a column of a table, which may be missing.
async fn counts(client: &Client, table: &str, column: &str) -> BTreeMap<i64, i64> {
    let there = client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&table]).await;
    if !there.expect("the server answers").get::<_, bool>(0) {
        return BTreeMap::new();
    }
    let sql = format!("SELECT {column}, count(*) FROM {table} GROUP BY 1");
    let rows = client.query(&sql, &[]).await.expect("the table can be read");
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// The holders of advisory locks in the database, once those that are on their way out are gone.
async fn leaked(client: &Client) -> Vec<String> {
    let sql = "SELECT format('%s of %s, %s: %s', l.mode, l.pid, a.state, left(a.query, 200)) \
               FROM pg_locks AS l LEFT JOIN pg_stat_activity AS a USING (pid) \
               WHERE l.locktype = 'advisory' AND l.granted \
               AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    for _ in 0..20 {
        let rows = client.query(sql, &[]).await.expect("the server answers");
        if rows.is_empty() {
            return Vec::new();
        }
        // A backend whose client has just gone is there for a moment; one in a pool stays.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let rows = client.query(sql, &[]).await.expect("the server answers");
    rows.iter().map(|row| row.get(0)).collect()
}
