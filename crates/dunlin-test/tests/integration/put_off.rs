//! What migrations leave to be done after the boot.

use dunlin_core::{BoxError, Context, MigrationSet, RustMigration};
use dunlin_test::{TestDatabase, checks};

use crate::fresh::names;

/// A table whose row comes later.
struct Later;

impl RustMigration for Later {
    const REVERSIBLE: bool = true;
    const BACKFILL: bool = true;

    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        Ok(cx.client().batch_execute("CREATE TABLE kinds (name text PRIMARY KEY)").await?)
    }

    async fn down(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        Ok(cx.client().batch_execute("DROP TABLE kinds").await?)
    }

    async fn verify(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        if self.is_backfilled(cx).await? { Ok(()) } else { Err("there is no wader".into()) }
    }

    async fn is_backfilled(&self, cx: &Context<'_>) -> Result<bool, BoxError> {
        Ok(cx.client().query_one("SELECT EXISTS (SELECT FROM kinds)", &[]).await?.try_get(0)?)
    }

    async fn backfill(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        Ok(cx.client().batch_execute("INSERT INTO kinds VALUES ('wader') ON CONFLICT DO NOTHING").await?)
    }
}

#[tokio::test]
async fn a_test_finds_it_done() {
    let set = MigrationSet::builder().rust(1, "later", Later).build().unwrap();
    let database = TestDatabase::builder(&set).create().await.unwrap();
    let client = database.connect().await.unwrap();
    assert_eq!(names(&client, "SELECT name FROM kinds").await, ["wader"]);
}

#[tokio::test]
async fn the_checks_do_it_after_each_step() {
    let set = MigrationSet::builder().rust(1, "later", Later).build().unwrap();
    checks::each_step(&set).await.unwrap();
}
