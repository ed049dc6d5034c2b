//! What operators do, from another process than the one that works.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dunlin_backfill::{
    Backfill, Backfills, Budget, Change, ErrorKind, JobState, Row, RowError, Settings, Source,
};

use crate::support::{backfills, database, number, people};

#[derive(Row)]
struct Name {
    first: String,
}

#[derive(Change)]
struct Whole {
    whole: String,
}

struct Fill;

impl Backfill for Fill {
    type Row = Name;
    type Change = Whole;

    fn source(&self) -> Source {
        Source::table("people").remaining("whole IS NULL")
    }

    fn settings(&self) -> Settings {
        // Many batches, so that there is something to stop.
        Settings::default().batch_time(Duration::from_millis(10)).budget(Budget::of(1, 1.0))
    }

    fn convert(&self, name: &Name) -> Result<Option<Whole>, RowError> {
        match name.first.as_str() {
            "?" => Err(RowError::new("unknown")),
            first => Ok(Some(Whole { whole: first.to_owned() })),
        }
    }
}

async fn state(backfills: &Backfills) -> Option<JobState> {
    backfills.status().await.unwrap().first().map(|status| status.state)
}

async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{what} does not come");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

const LEFT: &str = "SELECT count(*) FROM people WHERE whole IS NULL";

#[tokio::test]
async fn it_is_paused_and_goes_on_where_it_was() {
    let (database, client) = people(20_000).await;
    let operator = backfills(&database);
    assert!(operator.status().await.unwrap().is_empty(), "none has begun");
    let worker = backfills(&database);
    let work = tokio::spawn(async move { worker.run("fill", &Fill).await });
    until("the first batch", async || (number(&client, LEFT).await < 20_000).then_some(())).await;

    operator.pause("fill").await.unwrap();
    until("the pause", async || {
        let status = operator.status().await.unwrap().remove(0);
        (status.state == JobState::Paused && status.workers == 0).then_some(())
    })
    .await;
    let left = number(&client, LEFT).await;
    assert!(left > 0, "it was over before it was paused");
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(number(&client, LEFT).await, left, "nobody works");

    operator.resume("fill").await.unwrap();
    let report = work.await.unwrap().unwrap();
    assert_eq!((report.processed, report.changed, report.quarantined), (20_000, 20_000, 0));
    let status = operator.status().await.unwrap().remove(0);
    assert_eq!((status.state, status.processed, status.workers), (JobState::Finished, 20_000, 0));
    assert!(status.to_string().starts_with("fill finished: 20000 of about 20000 rows (100 %), "), "{status}");
}

#[tokio::test]
async fn it_is_cancelled_and_can_be_resumed() {
    let (database, client) = people(20_000).await;
    let operator = backfills(&database);
    let worker = backfills(&database);
    let work = tokio::spawn(async move { worker.run("fill", &Fill).await });
    until("the first batch", async || (number(&client, LEFT).await < 20_000).then_some(())).await;

    operator.cancel("fill").await.unwrap();
    let error = work.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.backfill()), (ErrorKind::Cancelled, "fill"));
    insta::assert_snapshot!(error, @"backfill fill: it was cancelled: `Backfills::resume` lets it go on where it is");
    assert_eq!(state(&operator).await, Some(JobState::Cancelled));
    let again = operator.run("fill", &Fill).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::Cancelled, "until somebody resumes it");

    operator.resume("fill").await.unwrap();
    let report = operator.run("fill", &Fill).await.unwrap();
    assert_eq!((report.processed, report.changed), (20_000, 20_000));
}

#[tokio::test]
async fn who_asks_for_one_that_has_never_begun_is_told() {
    let (database, _) = people(1).await;
    let error = backfills(&database).pause("fil").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unknown);
    insta::assert_snapshot!(error, @"backfill fil: there is none of this name that has ever begun");
}

#[tokio::test]
async fn several_processes_work_on_one_at_once() {
    let (database, client) = people(20_000).await;
    let all = Arc::new(backfills(&database));
    // One after another, as two that begin at the same moment would both create the tables.
    let one = |all: Arc<Backfills>| async move { all.run("fill", &Fill).await };
    let reports = tokio::join!(one(all.clone()), one(all.clone()), one(all.clone()));

    for report in [reports.0, reports.1, reports.2] {
        let report = report.unwrap();
        assert_eq!((report.processed, report.changed), (20_000, 20_000));
    }
    assert_eq!(number(&client, LEFT).await, 0);
}

#[tokio::test]
async fn what_was_set_aside_is_tried_again_when_it_is_mended() {
    let (database, client) = people(500).await;
    client.batch_execute("UPDATE people SET first = '?' WHERE id IN (30, 4000)").await.unwrap();
    let all = backfills(&database);
    let error = all.run("fill", &Fill).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Poisoned);
    assert_eq!(state(&all).await, Some(JobState::Failed));
    let set_aside = all.quarantined("fill").await.unwrap();
    let keys: Vec<_> = set_aside.iter().map(|row| (row.key.join(","), row.kind.as_str())).collect();
    assert_eq!(keys, [("30".to_owned(), "unknown"), ("4000".to_owned(), "unknown")]);

    client.batch_execute("UPDATE people SET first = 'mended' WHERE first = '?'").await.unwrap();
    let report = all.retry_quarantined("fill", &Fill).await.unwrap();

    assert_eq!((report.processed, report.changed, report.quarantined), (500, 500, 0));
    assert_eq!(number(&client, LEFT).await, 0);
    assert!(all.quarantined("fill").await.unwrap().is_empty());
}

#[tokio::test]
async fn what_a_role_may_not_write_is_said_with_its_code() {
    let sql = "CREATE TABLE people (id int PRIMARY KEY, first text, whole text); INSERT INTO people VALUES (1, 'a'); \
               CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
               $$ BEGIN RAISE insufficient_privilege USING MESSAGE = 'not yours'; END $$; \
               CREATE TRIGGER refuse BEFORE UPDATE ON people FOR EACH ROW EXECUTE FUNCTION refuse()";
    let (database, _) = database(sql).await;

    let error = backfills(&database).run("fill", &Fill).await.unwrap_err();

    assert_eq!(error.kind(), ErrorKind::Database);
    assert_eq!(error.code().map(|code| code.code()), Some("42501"));
    insta::assert_snapshot!(error, @"backfill fill: the server refused a statement: not yours (42501)");
}

#[tokio::test]
async fn the_sweep_says_which_transaction_it_waits_for_and_waits_for_none_of_another_database() {
    let (elsewhere, other) = database("CREATE TABLE anything (id int)").await;
    other.batch_execute("BEGIN; INSERT INTO anything VALUES (1)").await.unwrap();
    let (database, client) = people(1_000).await;
    let late = database.connect().await.unwrap();
    late.batch_execute("BEGIN; INSERT INTO people VALUES (5, 'late', 'late')").await.unwrap();
    let (operator, worker) = (backfills(&database), backfills(&database));
    let work = tokio::spawn(async move { worker.run("fill", &Fill).await });

    let why = until("the sweep", async || operator.status().await.unwrap().first()?.waits_for.clone()).await;

    let pid = number(&late, "SELECT pg_backend_pid()::int8").await;
    assert_eq!(why, format!("a transaction that was open when all rows had been read: process {pid}"));
    late.batch_execute("COMMIT").await.unwrap();
    assert_eq!(work.await.unwrap().unwrap().changed, 1_001);
    assert_eq!(number(&client, LEFT).await, 0);
    assert_eq!(operator.status().await.unwrap()[0].waits_for, None);
    drop(elsewhere);
}
