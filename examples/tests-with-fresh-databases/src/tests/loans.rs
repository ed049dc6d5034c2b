use std::time::{Duration, Instant, SystemTime};

use deadpool_postgres::Pool;
use tokio::task::JoinSet;
use tokio_postgres::Client;

use crate::{Desk, DeskError, migrations, tests::fill};

const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[dunlin::test(migrations = migrations())]
async fn a_tool_is_with_one_member_at_a_time(desk: Desk) -> Result<(), DeskError> {
    fill(&desk, &["belt sander"]).await?;
    let ada = desk.join("Ada", "ada@example.org").await?;
    let grace = desk.join("Grace", "grace@example.org").await?;

    desk.lend(ada.id, &[1]).await?;
    assert!(matches!(desk.lend(grace.id, &[1]).await, Err(DeskError::AlreadyLent)));

    desk.take_back(1).await?;
    desk.lend(grace.id, &[1]).await
}

/// A transaction that is rolled back by what goes wrong in it.
#[dunlin::test(migrations = migrations())]
async fn tools_are_lent_together_or_not_at_all(desk: Desk, client: Client) -> Result<(), DeskError> {
    fill(&desk, &["belt sander", "jigsaw"]).await?;
    let ada = desk.join("Ada", "ada@example.org").await?;

    let no_such_tool = 99;
    let refusal = desk.lend(ada.id, &[1, 2, no_such_tool]).await.unwrap_err();

    assert!(matches!(refusal, DeskError::NoSuchTool), "{refusal}");
    assert!(client.query("SELECT FROM loans", &[]).await?.is_empty());
    Ok(())
}

/// A race for one row, on many connections and two threads: all of them stand at the line before any may go.
#[dunlin::test(migrations = migrations(), flavor = "multi_thread", worker_threads = 2)]
async fn a_member_has_three_tools_at_most_however_many_desks_lend(
    pool: Pool,
    mut client: Client,
) -> Result<(), DeskError> {
    let desk = Desk::new(pool.clone());
    fill(&desk, &["awl", "adze", "chisel", "drill", "gouge", "jigsaw", "plane", "rasp"]).await?;
    let ada = desk.join("Ada", "ada@example.org").await?;
    let line = client.transaction().await?;
    line.execute("SELECT FROM members FOR UPDATE", &[]).await?;

    let mut desks = JoinSet::new();
    for tool in 1..=8 {
        let desk = desk.clone();
        desks.spawn(async move { desk.lend(ada.id, &[tool]).await });
    }
    until_as_many_wait(&*pool.get().await?, 8).await?;
    line.rollback().await?;
    let (lent, refused): (Vec<_>, Vec<_>) = desks.join_all().await.into_iter().partition(Result::is_ok);

    assert_eq!((lent.len(), refused.len()), (3, 5));
    assert!(refused.iter().all(|refusal| matches!(refusal, Err(DeskError::TooManyLoans))), "{refused:?}");
    Ok(())
}

/// Time is an argument.
#[dunlin::test(migrations = migrations(), fixtures("fixtures/shed.sql"))]
async fn a_tool_is_overdue_when_the_days_of_its_category_are_over(desk: Desk) -> Result<(), DeskError> {
    let lent = SystemTime::now();
    assert!(desk.overdue(lent + 13 * A_DAY).await?.is_empty());

    let late = desk.overdue(lent + 15 * A_DAY).await?;

    assert_eq!(late.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>(), ["belt sander"]);
    Ok(())
}

/// Where it is not, the rows are moved into the past.
#[dunlin::test(migrations = migrations(), fixtures("fixtures/shed.sql"))]
async fn a_tool_that_is_back_is_not_overdue(desk: Desk, client: Client) -> Result<(), DeskError> {
    client.execute("UPDATE loans SET lent_at = lent_at - interval '1 year'", &[]).await?;
    assert_eq!(desk.overdue(SystemTime::now()).await?.len(), 1);

    desk.take_back(1).await?;

    assert!(desk.overdue(SystemTime::now()).await?.is_empty());
    Ok(())
}

/// Waits until so many connections of this database wait for a lock.
async fn until_as_many_wait(client: &Client, expected: i64) -> Result<(), DeskError> {
    let count = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let began = Instant::now();
    while client.query_one(count, &[]).await?.get::<_, i64>(0) < expected {
        assert!(began.elapsed() < Duration::from_secs(30), "nobody waits");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(())
}
