//! What several topics need: sets of migrations and a look at what they have left.

use std::time::{Duration, Instant};

use dunlin::{Error, MigrationSet, Migrator, Report, SqlMigration, Target};
use tokio_postgres::Client;

/// So many migrations, each a table with an index.
pub(crate) fn numbered(count: i64) -> MigrationSet {
    let text = |n| {
        format!("CREATE TABLE t{n} (id bigint PRIMARY KEY, name text NOT NULL); CREATE INDEX ON t{n} (name)")
    };
    let set = (1..=count).fold(MigrationSet::builder(), |set, n| set.sql(n, format!("create_t{n}"), text(n)));
    set.build().unwrap()
}

/// Migrations 1, 2, 3, ... of these texts.
pub(crate) fn texts(texts: &[&str]) -> MigrationSet {
    let set = texts
        .iter()
        .zip(1..)
        .fold(MigrationSet::builder(), |set, (text, n)| set.sql(n, format!("m{n}"), text));
    set.build().unwrap()
}

/// One migration with every script.
pub(crate) fn migration(version: i64, up: &str, down: &str, verify: Option<&str>) -> SqlMigration {
    let migration = SqlMigration::new(version, format!("m{version}"), up).unwrap().with_down(down).unwrap();
    match verify {
        Some(verify) => migration.with_verify(verify).unwrap(),
        None => migration,
    }
}

/// A text that runs outside a transaction.
pub(crate) fn outside(text: &str) -> String {
    format!("-- dunlin: no-transaction\n{text}")
}

/// Whether an index is there and valid.
pub(crate) async fn valid(client: &Client, index: &str) -> Option<bool> {
    let sql = "SELECT indisvalid AND indisready FROM pg_index WHERE indexrelid = to_regclass($1)";
    client.query_opt(sql, &[&index]).await.unwrap().map(|row| row.get(0))
}

/// Runs a set to the latest.
pub(crate) async fn run(client: &mut Client, set: MigrationSet) -> Result<Report, Error> {
    Migrator::new(set).run(client, Target::Latest).await
}

/// The history's versions and states in the order of application.
pub(crate) async fn history(client: &Client) -> String {
    let sql = "SELECT string_agg(version || ' ' || state, ', ' ORDER BY ordinal) FROM public.dunlin_history";
    let text: Option<String> = client.query_one(sql, &[]).await.unwrap().get(0);
    text.unwrap_or_default()
}

/// The event log: what happened to which version.
pub(crate) async fn events(client: &Client) -> String {
    let sql = "SELECT string_agg(concat_ws(' ', version, event, sqlstate), ', ' ORDER BY id) FROM public.dunlin_history_events";
    let text: Option<String> = client.query_one(sql, &[]).await.unwrap().get(0);
    text.unwrap_or_default()
}

/// Whether a relation is there.
pub(crate) async fn exists(client: &Client, relation: &str) -> bool {
    client.query_one("SELECT to_regclass($1) IS NOT NULL", &[&relation]).await.unwrap().get(0)
}

/// How many advisory locks are held in the database, and how many sessions are inside a transaction, apart from the one
/// that asks: what stays, that is, and is not on its way out.
pub(crate) async fn left_behind(client: &Client) -> (i64, i64) {
    let sql = "SELECT (SELECT count(*) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database \
                       WHERE l.locktype = 'advisory' AND d.datname = current_database()), \
               (SELECT count(*) FROM pg_stat_activity \
                WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL \
                AND backend_type = 'client backend')";
    let began = Instant::now();
    loop {
        let row = client.query_one(sql, &[]).await.unwrap();
        let left = (row.get(0), row.get(1));
        // A server says what is wrong before it has ended the transaction, and closes a connection a moment later.
        if left == (0, 0) || began.elapsed() > Duration::from_secs(10) {
            return left;
        }
    }
}
