//! Migrating a pool: its connection goes out and does not come back.

use deadpool_postgres::{Manager, Pool, Runtime};
use dunlin::{ErrorKind, Migrator, Target};
use tests::database;
use tokio_postgres::NoTls;

use crate::support::{history, left_behind, numbered, texts};

fn pool(database: &dunlin_test::Database, size: usize) -> Pool {
    let manager = Manager::new(database.config(), NoTls);
    Pool::builder(manager).max_size(size).runtime(Runtime::Tokio1).build().unwrap()
}

#[tokio::test]
async fn a_pool_of_one_is_migrated_and_serves_afterwards() {
    let database = database().await;
    let pool = pool(&database, 1);
    let report = dunlin_deadpool::migrate(&pool, &Migrator::new(numbered(3))).await.unwrap();
    assert_eq!(report.applied().count(), 3);
    assert_eq!(pool.status().size, 0, "the connection did not return");
    let client = pool.get().await.unwrap();
    assert_eq!(history(&client).await, "1 applied, 2 applied, 3 applied");
    assert_eq!(left_behind(&client).await, (0, 0));
}

#[tokio::test]
async fn a_failed_migration_leaves_neither_lock_nor_transaction_in_the_pool() {
    let database = database().await;
    let pool = pool(&database, 4);
    let error = dunlin_deadpool::migrate(&pool, &Migrator::new(texts(&["SELECT 1", "SELECT 1/0"])))
        .await
        .unwrap_err();
    assert_eq!((error.kind(), error.report().applied().count()), (ErrorKind::Migration, 1));
    assert_eq!(left_behind(&pool.get().await.unwrap()).await, (0, 0));
    let all = Migrator::new(texts(&["SELECT 1", "SELECT 2"]));
    dunlin_deadpool::migrate_to(&pool, &all, Target::Version(2)).await.unwrap();
}

#[tokio::test]
async fn a_pool_that_can_not_connect_says_so() {
    let config = "host=/nowhere user=me password=secret".parse().unwrap();
    let pool = Pool::builder(Manager::new(config, NoTls)).build().unwrap();
    let error = dunlin_deadpool::migrate(&pool, &Migrator::new(numbered(1))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(!format!("{error:?}").contains("secret"));
}
