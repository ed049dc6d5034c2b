use dunlin_test::TestDatabase;
use tokio_postgres::{Client, Config};

use crate::{Desk, DeskError, Returns, migrations};

/// Rows from a file, which all tests that name it share, and rows that go with those that they refer to.
#[dunlin::test(migrations = migrations(), fixtures("fixtures/shed.sql"))]
async fn who_leaves_waits_no_more(desk: Desk, client: Client) -> Result<(), DeskError> {
    desk.wait_for(1, 2).await?;
    desk.wait_for(3, 2).await?;

    desk.leave(2).await?;

    assert!(client.query("SELECT FROM waiting", &[]).await?.is_empty());
    Ok(())
}

/// `LISTEN` and `NOTIFY` are of one database: nobody hears of the tools of other tests.
#[dunlin::test(migrations = migrations(), fixtures("fixtures/shed.sql"))]
async fn a_tool_that_comes_back_is_announced(config: Config, desk: Desk) -> Result<(), DeskError> {
    let mut returns = Returns::listen(&config).await?;

    desk.take_back(1).await?;

    assert_eq!(returns.next().await, Some(1));
    Ok(())
}

/// A database that is like no other test's is described by hand. Its fixture too runs once, however often it is asked for.
#[dunlin::test]
async fn a_list_of_three_hundred_is_in_the_order_of_its_time() -> Result<(), Box<dyn std::error::Error>> {
    let everybody_waits = "
        INSERT INTO tools (name, category, deposit_cents) VALUES ('ice cream maker', 'kitchen', 3000);
        INSERT INTO members (name, email) SELECT 'Member ' || n, n || '@example.org' FROM generate_series(1, 300) n;
        INSERT INTO waiting SELECT 1, id, now() - id * interval '1 minute' FROM members;";
    let database =
        TestDatabase::builder(&migrations()).fixture("everybody waits", everybody_waits).create().await?;
    let manager = deadpool_postgres::Manager::new(database.config(), tokio_postgres::NoTls);
    let desk = Desk::new(deadpool_postgres::Pool::builder(manager).build()?);

    let waiting = desk.waiting(1).await?;

    assert!(waiting.iter().map(|member| member.id).eq((1..=300).rev()));
    Ok(())
}
