//! What several topics need: databases, migrators of one backfill, and a look at what was counted.

use dunlin_backfill::Backfills;
use dunlin_core::{Direct, Error, MigrationSet, Migrator, Report, RustMigration, Target};
use dunlin_test::{Database, Server};
use tokio_postgres::{Client, NoTls};

/// A table of people that lack their full name, with as many of them as were asked for.
pub(crate) const PEOPLE: &str =
    "CREATE TABLE people (id bigint PRIMARY KEY, first text NOT NULL, last text NOT NULL, whole text)";

/// Gives a database with these tables.
pub(crate) async fn database(sql: &str) -> (Database, Client) {
    let database = Server::shared().await.unwrap().create_database().await.unwrap();
    let client = database.connect().await.unwrap();
    client.batch_execute(sql).await.unwrap();
    (database, client)
}

/// A table with so many people, whose numbers go up in tens.
pub(crate) async fn people(count: i64) -> (Database, Client) {
    let (database, client) = database(PEOPLE).await;
    let sql = "INSERT INTO people SELECT n * 10, 'first ' || n, 'last ' || n FROM generate_series(1, $1::int8) AS n";
    client.execute(sql, &[&count]).await.unwrap();
    client.batch_execute("ANALYZE people").await.unwrap();
    (database, client)
}

/// A migrator with this backfill alone, which is called `fill`.
pub(crate) fn migrator(backfill: impl RustMigration) -> Migrator {
    Migrator::new(MigrationSet::builder().rust(1, "fill", backfill).build().unwrap())
}

/// What operators and other processes have in their hands.
pub(crate) fn backfills(database: &Database) -> Backfills {
    let migrator = Migrator::new(MigrationSet::builder().build().unwrap());
    Backfills::new(migrator, Direct::new(database.config(), NoTls))
}

/// Runs a backfill to its end.
pub(crate) async fn migrate(database: &Database, backfill: impl RustMigration) -> Result<Report, Error> {
    dunlin_core::migrate(&database.config(), NoTls, &migrator(backfill)).await
}

/// Undoes it.
pub(crate) async fn revert(database: &Database, backfill: impl RustMigration) -> Result<Report, Error> {
    dunlin_core::migrate_to(&database.config(), NoTls, &migrator(backfill), Target::Base).await
}

/// The one number that a query gives.
pub(crate) async fn number(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

/// What is counted for the backfill: processed, changed, quarantined, retried.
pub(crate) async fn counts(client: &Client) -> [i64; 4] {
    let sql =
        "SELECT processed, changed, quarantined, retried FROM dunlin_history_backfills WHERE name = 'fill'";
    let row = client.query_one(sql, &[]).await.unwrap();
    [0, 1, 2, 3].map(|column| row.get(column))
}

/// All causes of an error in one text.
pub(crate) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut error = error;
    while let Some(source) = error.source() {
        text.push_str(&format!(": {source}"));
        error = source;
    }
    text
}
