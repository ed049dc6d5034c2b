//! Where connections come from makes no difference.

use deadpool_postgres::{Manager, Pool};
use dunlin_core::Migrator;
use dunlin_deadpool::Pooled;
use dunlin_startup::{Startup, StepState};
use tokio_postgres::NoTls;

use crate::support::{database, texts};

#[tokio::test]
async fn a_pool_of_one_connection_is_enough() {
    let database = database().await;
    let pool = Pool::builder(Manager::new(database.config(), NoTls)).max_size(1).build().unwrap();
    let set = texts(&["CREATE TABLE a (id int)", "CREATE TABLE b (id int)"]);
    let startup = Startup::new(Pooled::new(&pool), Migrator::new(set)).start();
    startup.wait_ready().await.unwrap();
    let snapshot = startup.refresh().await;
    assert_eq!((snapshot.count(StepState::Applied), snapshot.unread), (2, None));
    // What the library has used never came back to the pool.
    let client = pool.get().await.unwrap();
    let sql = "SELECT count(*) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database \
               WHERE l.locktype = 'advisory' AND d.datname = current_database()";
    assert_eq!(client.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 0);
}
