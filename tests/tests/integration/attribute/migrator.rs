//! Migrations that need more than their set.

use std::sync::LazyLock;

use dunlin::{BoxError, Context, HistoryTable, IdentError, MigrationSet, Migrator, RustMigration, Target};
use dunlin_test::TestDatabase;
use tokio_postgres::Client;

/// What a service knows when it boots.
#[derive(Clone)]
struct Region(String);

/// Rings the first bird, where the service is.
struct FirstRing;

impl RustMigration for FirstRing {
    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        let Region(region) = cx.resource::<Region>().ok_or("no region")?;
        cx.client().execute("INSERT INTO rings VALUES (1, $1)", &[region]).await?;
        Ok(())
    }
}

fn migrations() -> MigrationSet {
    MigrationSet::builder()
        .sql(1, "rings", "CREATE TABLE rings (number int PRIMARY KEY, region text NOT NULL)")
        .rust(2, "first_ring", FirstRing)
        .build()
        .unwrap()
}

fn migrator() -> Migrator {
    Migrator::new(migrations()).resource(Region("north".to_owned()))
}

fn with_a_history_of_its_own() -> Result<Migrator, IdentError> {
    Ok(migrator().history(HistoryTable::new("ops", "rings_history")?))
}

static MIGRATOR: LazyLock<Migrator> = LazyLock::new(migrator);

async fn regions(client: &Client) -> Vec<String> {
    let rows = client.query("SELECT region FROM rings ORDER BY number", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[dunlin::test(migrations = migrator())]
async fn a_migration_finds_what_its_migrator_brings(client: Client) {
    assert_eq!(regions(&client).await, ["north"]);
}

#[dunlin::test(migrations = migrator)]
async fn a_function_may_return_a_migrator(client: Client) {
    assert_eq!(regions(&client).await, ["north"]);
}

#[dunlin::test(migrations = MIGRATOR, at = 1)]
async fn the_last_migration_may_be_left_to_the_test(mut client: Client) {
    assert!(regions(&client).await.is_empty());
    MIGRATOR.run(&mut client, Target::Latest).await.unwrap();
    assert_eq!(regions(&client).await, ["north"]);
}

#[dunlin::test(migrations = with_a_history_of_its_own())]
async fn the_service_boots_with_nothing_to_do(mut client: Client) -> Result<(), BoxError> {
    let report = with_a_history_of_its_own()?.run(&mut client, Target::Latest).await?;
    assert_eq!(report.applied().count(), 0);
    let history = client.query_one("SELECT count(*) FROM ops.rings_history", &[]).await?;
    assert_eq!(history.get::<_, i64>(0), 2);
    Ok(())
}

#[dunlin::test]
async fn a_database_may_be_made_of_a_migrator_by_hand() -> Result<(), BoxError> {
    let database = TestDatabase::fresh(&MIGRATOR).await?;
    assert_eq!(regions(&database.connect().await?).await, ["north"]);
    let before = TestDatabase::fresh_at(&migrator(), Target::Version(1)).await?;
    assert!(regions(&before.connect().await?).await.is_empty());
    Ok(())
}
