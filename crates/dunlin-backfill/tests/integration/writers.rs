//! The application writes while a backfill runs.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use dunlin_backfill::{Backfill, Change, Row, RowError, Settings, Source};

use crate::support::{counts, migrate, number, people};

#[derive(Row)]
struct Name {
    first: String,
    last: String,
}

#[derive(Change)]
struct Whole {
    whole: String,
}

/// Three workers that fill a column in.
struct Fill;

#[dunlin_backfill::migration]
impl Backfill for Fill {
    type Row = Name;
    type Change = Whole;

    fn source(&self) -> Source {
        Source::table("people").remaining("whole IS NULL")
    }

    fn settings(&self) -> Settings {
        Settings::default().workers(3).batch_time(Duration::from_millis(20))
    }

    fn convert(&self, name: &Name) -> Result<Option<Whole>, RowError> {
        Ok(Some(Whole { whole: format!("{} {}", name.first, name.last) }))
    }
}

const WRONG: &str = "SELECT count(*) FROM people WHERE whole IS DISTINCT FROM first || ' ' || last";

#[tokio::test(flavor = "multi_thread")]
async fn f58_no_update_of_the_application_is_lost() {
    let (database, client) = people(4_000).await;
    // Half of the writers know the new column, the others are older and come before it was filled.
    let known = "UPDATE people SET first = $2, whole = $2 || ' ' || last WHERE id = $1";
    let old = "UPDATE people SET first = $2 WHERE id = $1 AND whole IS NULL";
    let (is_over, writes) = (AtomicBool::new(false), AtomicU64::new(0));
    let writer = async |seed: u64| {
        let client = database.connect().await.unwrap();
        let mut random = seed;
        while !is_over.load(Ordering::Relaxed) {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let id = i64::try_from(random >> 40).unwrap() % 4_000 * 10 + 10;
            let sql = if random & (1 << 20) == 0 { known } else { old };
            client.execute(sql, &[&id, &format!("changed {}", random >> 50)]).await.unwrap();
            writes.fetch_add(1, Ordering::Relaxed);
        }
    };
    let backfill = async {
        // The writers are at work before it begins.
        while writes.load(Ordering::Relaxed) < 100 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let migrated = migrate(&database, Fill).await;
        is_over.store(true, Ordering::Relaxed);
        migrated
    };

    let (migrated, ..) = tokio::join!(backfill, writer(1), writer(2), writer(3));

    migrated.unwrap();
    assert_eq!(number(&client, WRONG).await, 0);
}

#[tokio::test]
async fn f59_a_row_that_is_committed_behind_the_workers_is_found() {
    let (database, client) = people(2_000).await;
    let late = database.connect().await.unwrap();
    late.batch_execute("BEGIN; INSERT INTO people VALUES (5, 'late', 'comer')").await.unwrap();
    let pass = "SELECT coalesce((SELECT pass::int8 FROM dunlin_history_backfills), 0)";

    let commit = async {
        let began = Instant::now();
        let is_there = "SELECT count(*) FROM pg_class WHERE relname = 'dunlin_history_backfills'";
        while number(&client, is_there).await == 0 || number(&client, pass).await == 0 {
            assert!(began.elapsed() < Duration::from_secs(30), "the first pass does not end");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // All others are done, and it waits for this one.
        assert_eq!(number(&client, WRONG).await, 0);
        let state = "SELECT count(*) FROM dunlin_history_backfills WHERE state = 'running'";
        assert_eq!(number(&client, state).await, 1);
        late.batch_execute("COMMIT").await.unwrap();
    };
    let (migrated, ()) = tokio::join!(migrate(&database, Fill), commit);

    migrated.unwrap();
    assert_eq!(number(&client, WRONG).await, 0);
    let [processed, changed, ..] = counts(&client).await;
    assert_eq!((processed, changed), (2_001, 2_001));
}

#[tokio::test]
async fn a_row_that_the_application_holds_is_waited_for() {
    let (database, client) = people(500).await;
    let holder = database.connect().await.unwrap();
    let hold = "BEGIN; UPDATE people SET first = 'held' WHERE id = 10";
    holder.batch_execute(hold).await.unwrap();

    let release = async {
        let began = Instant::now();
        let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'";
        while number(&client, waits).await == 0 {
            assert!(began.elapsed() < Duration::from_secs(30), "nobody waits for the row");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        holder.batch_execute("COMMIT").await.unwrap();
    };
    let (migrated, ()) = tokio::join!(migrate(&database, Fill), release);

    migrated.unwrap();
    assert_eq!(number(&client, WRONG).await, 0);
    let [processed, changed, ..] = counts(&client).await;
    assert_eq!((processed, changed), (500, 500));
}
