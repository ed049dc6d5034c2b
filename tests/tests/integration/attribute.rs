//! `#[dunlin::test]`: what a test may ask for, and what it says of itself.

mod beside;
mod ends;
mod migrator;

use std::sync::{Arc, LazyLock};

use deadpool_postgres::Pool;
use dunlin::{MigrationSet, Migrator, Target};
use dunlin_test::{BoxError, FromTestDatabase, TestDatabase};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio_postgres::{Client, Config, NoTls};

static MIGRATIONS: LazyLock<MigrationSet> = LazyLock::new(migrations);

fn migrations() -> MigrationSet {
    dunlin::embed!("migrations")
}

/// The names of all birds.
async fn birds(client: &Client) -> Vec<String> {
    let rows = client.query("SELECT name FROM birds ORDER BY name", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[dunlin::test]
async fn without_options_the_migrations_are_in_the_folder_of_that_name(client: Client) {
    client.execute("INSERT INTO birds VALUES ('dunlin', 7, 180)", &[]).await.unwrap();
    assert_eq!(birds(&client).await, ["dunlin"]);
}

#[dunlin::test(migrations = "./migrations/")]
async fn the_folder_may_be_named(client: Client) {
    assert!(birds(&client).await.is_empty());
}

#[dunlin::test(migrations = MIGRATIONS)]
async fn all_arguments_are_of_one_database(
    database: TestDatabase,
    client: Client,
    config: Config,
    pool: Pool,
    shared: Arc<Client>,
) -> Result<(), BoxError> {
    assert_eq!(config.get_dbname(), Some(database.name()));
    client.execute("INSERT INTO birds VALUES ('dunlin', 1)", &[]).await?;
    assert_eq!(birds(&shared).await, ["dunlin"]);
    assert_eq!(birds(pool.get().await?.as_ref()).await, ["dunlin"]);
    let (again, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    assert_eq!(birds(&again).await, ["dunlin"]);
    Ok(())
}

/// What an application would have.
struct Flock {
    client: Client,
    size: usize,
}

impl FromTestDatabase for Flock {
    async fn from_test_database(database: &TestDatabase) -> Result<Self, BoxError> {
        let client = database.connect().await?;
        client.batch_execute("INSERT INTO birds SELECT 'dunlin ' || n FROM generate_series(1, 3) n").await?;
        Ok(Self { client, size: 3 })
    }
}

#[dunlin::test(migrations = migrations)]
async fn a_type_of_ones_own_may_be_asked_for_and_taken_apart(Flock { client, size }: Flock) {
    assert_eq!(birds(&client).await.len(), size);
}

#[dunlin::test(migrations = &*MIGRATIONS, fixtures("tests/fixtures/birds.sql", "tests/fixtures/rings.sql"))]
async fn fixtures_run_in_their_order_after_the_migrations(mut client: Client) {
    let transaction = client.transaction().await.unwrap();
    let row = transaction.query_one("SELECT name FROM birds WHERE ring = 7", &[]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "knot");
}

#[dunlin::test(migrations = migrations(), at = 1)]
async fn a_data_migration_is_tested_from_the_version_before(client: Client, config: Config) {
    client.execute("INSERT INTO birds VALUES ('dunlin')", &[]).await.unwrap();
    client.query("SELECT ring FROM birds", &[]).await.unwrap_err();

    dunlin::migrate(&config, NoTls, &Migrator::new(migrations())).await.unwrap();

    let ring: Option<i64> = client.query_one("SELECT ring FROM birds", &[]).await.unwrap().get(0);
    assert_eq!(ring, None);
}

#[dunlin::test(migrations = MIGRATIONS, at = Target::Relative(1))]
async fn the_version_may_be_a_target(client: Client) {
    client.query("SELECT ring FROM birds", &[]).await.unwrap_err();
}

#[dunlin::test(migrations = MIGRATIONS)]
async fn a_runtime_has_one_thread_unless_asked(client: Client) {
    assert_eq!(Handle::current().runtime_flavor(), RuntimeFlavor::CurrentThread);
    assert!(birds(&client).await.is_empty());
}

#[dunlin::test(migrations = MIGRATIONS, flavor = "multi_thread", worker_threads = 3)]
async fn a_runtime_may_have_many_threads(pool: Pool) {
    assert_eq!(Handle::current().metrics().num_workers(), 3);
    let task = tokio::spawn(async move { birds(pool.get().await.unwrap().as_ref()).await });
    assert!(task.await.unwrap().is_empty());
}

#[dunlin::test]
async fn a_test_that_asks_for_nothing_has_a_runtime() {
    tokio::task::yield_now().await;
}

#[dunlin::test(migrations = MIGRATIONS)]
#[should_panic(expected = "there are no birds")]
async fn a_test_may_have_to_panic(client: Client) {
    assert!(!birds(&client).await.is_empty(), "there are no birds");
}

/// Does not compile.
#[dunlin::test]
#[cfg(any())]
async fn a_test_may_be_left_out(nothing: Nothing) {}

mod with_an_import {
    use dunlin::test;

    #[test]
    async fn the_attribute_may_be_imported_under_its_short_name(config: tokio_postgres::Config) {
        assert!(config.get_dbname().is_some());
    }
}

macro_rules! tests_of_names {
    ($folder:literal, $($test:ident: $name:literal, $argument:ident: $ty:ty, at $version:expr;)*) => {
        $(
            #[dunlin::test(migrations = $folder, at = $version, fixtures("tests/fixtures/birds.sql"))]
            async fn $test($argument: $ty) {
                assert!(birds(&$argument).await.contains(&$name.to_owned()));
            }
        )*
    };
}

tests_of_names! {
    "migrations",
    a_test_may_come_from_a_macro: "dunlin", client: Client, at 1;
    another_test_may_come_from_a_macro: "knot", client: Client, at 2;
}
