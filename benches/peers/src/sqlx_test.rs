use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use std::time::Duration;

use async_trait::async_trait;
use benches::{Failure, Place, Script, Supplied, Supplier, Supply};
use sqlx::migrate::Migrator;
use sqlx::pool::PoolOptions;
use sqlx::postgres::{PgConnectOptions, PgPool};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Postgres};

use crate::sqlx::{connect_options, migrator};

/// What `#[sqlx::test]` does, statement by statement. Itself it can't be called: it takes its server from the environment of the
/// process, and its test from a function.
#[derive(Clone, Copy, Debug, Default)]
pub struct SqlxTest;

#[async_trait]
impl Supplier for SqlxTest {
    fn name(&self) -> String {
        "`#[sqlx::test]` 0.9".to_owned()
    }

    fn way(&self) -> &'static str {
        "a row about the test and `CREATE DATABASE` over a new connection, a connection that migrates it, and a pool of 5 with \
         `SELECT 1`, with the statements and pools of sqlx-postgres' `testing`"
    }

    async fn open(&self, maintenance: &Place, scripts: &[Script]) -> Result<Arc<dyn Supply>, Failure> {
        let master = PoolOptions::new()
            .max_connections(20)
            .after_release(|_, _| Box::pin(async move { Ok(false) }))
            .connect_lazy_with(connect_options(maintenance));
        Ok(Arc::new(Tests { master, migrator: migrator(scripts), count: AtomicU64::new(0) }))
    }
}

struct Tests {
    master: PgPool,
    migrator: Migrator,
    count: AtomicU64,
}

#[async_trait]
impl Supply for Tests {
    async fn supply(&self) -> Result<Box<dyn Supplied>, Failure> {
        let name = format!("_sqlx_test_{}", self.count.fetch_add(1, Ordering::Relaxed));
        let mut connection = self.master.acquire().await?;
        connection.execute(SETUP).await?;
        clean_up(&mut connection, &name).await?;
        sqlx::query("insert into _sqlx_test.databases(db_name, test_path) values ($1, $2)")
            .bind(&name)
            .bind("benches::fresh")
            .execute(&mut *connection)
            .await?;
        connection.execute(AssertSqlSafe(format!("create database {name:?}"))).await?;
        drop(connection);
        let options: PgConnectOptions = (*self.master.connect_options()).clone().database(&name);

        let mut migrating = PgConnection::connect_with(&options).await?;
        self.migrator.run_direct(None, &mut migrating, false).await?;
        migrating.close().await?;

        let pool = PoolOptions::<Postgres>::new()
            .max_connections(5)
            .idle_timeout(Some(Duration::from_secs(1)))
            .parent(self.master.clone())
            .connect_with(options)
            .await?;
        pool.execute("SELECT 1").await?;
        Ok(Box::new(Test { master: self.master.clone(), pool, name }))
    }
}

struct Test {
    master: PgPool,
    pool: PgPool,
    name: String,
}

#[async_trait]
impl Supplied for Test {
    async fn give_up(self: Box<Self>) -> Result<(), Failure> {
        self.pool.close().await;
        clean_up(&mut *self.master.acquire().await?, &self.name).await
    }
}

const SETUP: &str = "
    select pg_advisory_xact_lock(8318549251334697844);
    create schema if not exists _sqlx_test;
    create table if not exists _sqlx_test.databases (
        db_name text primary key,
        test_path text not null,
        created_at timestamptz not null default now()
    );
    create index if not exists databases_created_at on _sqlx_test.databases(created_at);
    create sequence if not exists _sqlx_test.database_ids;
";

async fn clean_up(connection: &mut PgConnection, name: &str) -> Result<(), Failure> {
    connection.execute(AssertSqlSafe(format!("drop database if exists {name:?};"))).await?;
    sqlx::query("delete from _sqlx_test.databases where db_name = $1::text")
        .bind(name)
        .execute(connection)
        .await?;
    Ok(())
}
