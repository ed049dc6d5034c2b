//! A table that was empty is filled without a look at what is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use dunlin_backfill::{Backfill, Change, Row, RowError, Settings, Source, Write};
use dunlin_core::{BoxError, Migrator};
use dunlin_test::Database;
use tokio::sync::Notify;
use tokio_postgres::Client;

use crate::support::{counts, database, migrate, number};

#[derive(Row)]
struct Price {
    id: i32,
    cents: i64,
}

#[derive(Change)]
struct Amount {
    price: i32,
    amount: String,
}

/// Fills `amounts` from `prices`, in small batches, and calls something before each is converted. Every tenth price has no amount.
struct Fill<F> {
    source: Source,
    settings: Settings,
    on_batch: F,
}

#[dunlin_backfill::migration]
impl<F: OnBatch> Backfill for Fill<F> {
    type Row = Price;
    type Change = Amount;

    fn source(&self) -> Source {
        self.source.clone()
    }

    fn write(&self) -> Write {
        Write::copy_into("amounts")
    }

    fn settings(&self) -> Settings {
        self.settings.clone()
    }

    async fn enrich(&self, prices: &mut [Price], _: &Migrator) -> Result<(), BoxError> {
        self.on_batch.call(prices.first().map(|price| price.id)).await;
        Ok(())
    }

    fn convert(&self, price: &Price) -> Result<Option<Amount>, RowError> {
        Ok((price.id % 10 != 0).then(|| Amount { price: price.id, amount: price.cents.to_string() }))
    }
}

trait OnBatch: Send + Sync + 'static {
    fn call(&self, first: Option<i32>) -> impl Future<Output = ()> + Send;
}

impl<F, R> OnBatch for F
where
    F: Fn(Option<i32>) -> R + Send + Sync + 'static,
    R: Future<Output = ()> + Send,
{
    fn call(&self, first: Option<i32>) -> impl Future<Output = ()> + Send {
        self(first)
    }
}

fn fill<F: OnBatch>(workers: usize, on_batch: F) -> Fill<F> {
    let settings = Settings::default().batch_time(Duration::from_millis(5)).workers(workers);
    Fill { source: Source::table("prices").missing_in("amounts", ["price"]), settings, on_batch }
}

async fn nothing(_: Option<i32>) {}

async fn tables() -> (Database, Client) {
    database(
        "CREATE TABLE prices (id int PRIMARY KEY, cents int8); CREATE TABLE amounts (price int PRIMARY KEY, amount text); \
         INSERT INTO prices SELECT n, n * 7 FROM generate_series(1, 20000) AS n; ANALYZE prices",
    )
    .await
}

/// Prices of which the wrong amounts are there.
const WRONG: &str = "SELECT count(*) FROM prices FULL JOIN amounts ON price = id \
                     WHERE amount IS DISTINCT FROM CASE WHEN id % 10 <> 0 THEN cents::text END";
const AMOUNTS: &str = "SELECT count(*) FROM amounts";
const TAKES_ALL: &str = "SELECT count(*) FROM dunlin_history_backfills WHERE takes_all";

/// Looks until a number is what it should be.
async fn until(client: &Client, sql: &str, is_so: impl Fn(i64) -> bool) -> i64 {
    let began = Instant::now();
    loop {
        let found = number(client, sql).await;
        if is_so(found) {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(120), "{sql}: {found}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn no_row_is_looked_up_in_a_table_that_was_empty() {
    const LOOKED_UP: &str = "SELECT idx_scan FROM pg_stat_user_tables WHERE relname = 'amounts'";
    const INSERTED: &str = "SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'amounts'";
    let (database, client) = tables().await;

    // Time enough that no batch is tried again.
    let patient = || {
        let backfill = fill(2, nothing);
        let settings = backfill.settings.clone().batch_time(Duration::from_millis(500));
        Fill { settings, ..backfill }
    };
    migrate(&database, patient()).await.unwrap();

    assert_eq!(number(&client, WRONG).await, 0);
    assert_eq!(counts(&client).await, [20_000, 18_000, 0, 0]);
    until(&client, INSERTED, |inserted| inserted == 18_000).await;
    let looked_up = number(&client, LOOKED_UP).await;
    assert!(looked_up < 9_000, "{looked_up}: those of each worker's first batch alone");

    // The same said as a condition.
    let (database, client) = tables().await;
    let source =
        Source::table("prices").remaining("NOT EXISTS (SELECT FROM amounts WHERE amounts.price = prices.id)");
    migrate(&database, Fill { source, ..patient() }).await.unwrap();
    until(&client, LOOKED_UP, |looked_up| looked_up > 10_000).await;
}

#[tokio::test]
async fn a_table_with_rows_or_without_a_unique_index_is_looked_at() {
    for (sql, copied) in [
        ("INSERT INTO amounts SELECT id, cents FROM prices WHERE id IN (1, 999)", 17_998),
        ("ALTER TABLE amounts DROP CONSTRAINT amounts_pkey; CREATE INDEX ON amounts (price)", 18_000),
        (
            "ALTER TABLE amounts DROP CONSTRAINT amounts_pkey; CREATE INDEX ON amounts (price); \
             CREATE UNIQUE INDEX ON amounts (price) WHERE price > 5",
            18_000,
        ),
    ] {
        let (database, client) = tables().await;
        client.batch_execute(sql).await.unwrap();
        migrate(&database, fill(1, nothing)).await.unwrap();
        assert_eq!(number(&client, TAKES_ALL).await, 0, "{sql}");
        assert_eq!(number(&client, WRONG).await, 0, "{sql}");
        assert_eq!(counts(&client).await[1], copied, "{sql}");
    }
}

#[tokio::test]
async fn f58_rows_that_somebody_else_writes_meanwhile_stay_as_they_are_and_are_there_once() {
    for workers in [1, 2] {
        let (database, client) = tables().await;
        let other = Arc::new(database.connect().await.unwrap());
        let calls = Arc::new(AtomicU32::new(0));
        let writes = {
            let calls = calls.clone();
            move |first: Option<i32>| {
                let (other, calls) = (other.clone(), calls.clone());
                async move {
                    // In front of every third batch, and in it.
                    if calls.fetch_add(1, Ordering::Relaxed) % 3 == 2 {
                        let own = "INSERT INTO amounts SELECT id, 'own' FROM prices WHERE id % 10 <> 0 AND id BETWEEN $1 + 50 AND $1 + 60 \
                                   ON CONFLICT DO NOTHING";
                        other.execute(own, &[&first.unwrap_or_default()]).await.unwrap();
                    }
                }
            }
        };

        migrate(&database, fill(workers, writes)).await.unwrap();

        assert_eq!(number(&client, TAKES_ALL).await, 1);
        let own = number(&client, "SELECT count(*) FROM amounts WHERE amount = 'own'").await;
        assert!(own >= 10, "{own} were written by the other");
        assert_eq!(number(&client, WRONG).await, own);
        assert_eq!(number(&client, AMOUNTS).await, 18_000);
        let [_, changed, quarantined, _] = counts(&client).await;
        assert_eq!((changed, quarantined), (18_000 - own, 0));
    }
}

#[tokio::test]
async fn f59_a_row_that_is_committed_behind_the_workers_is_copied() {
    let (database, client) = tables().await;
    let late = database.connect().await.unwrap();
    late.batch_execute("BEGIN; INSERT INTO prices VALUES (-5, 1)").await.unwrap();
    let commit = async {
        until(&client, "SELECT count(*) FROM pg_class WHERE relname = 'dunlin_history_backfills'", |there| {
            there == 1
        })
        .await;
        until(&client, "SELECT coalesce(max(pass), 0)::int8 FROM dunlin_history_backfills", |pass| pass == 1)
            .await;
        assert_eq!(number(&client, WRONG).await, 0);
        late.batch_execute("COMMIT").await.unwrap();
    };
    let (migrated, ()) = tokio::join!(migrate(&database, fill(2, nothing)), commit);
    migrated.unwrap();
    assert_eq!(number(&client, WRONG).await, 0);
    assert_eq!(counts(&client).await[..2], [20_001, 18_001]);
}

#[tokio::test]
async fn f60_a_worker_that_sleeps_past_its_lease_copies_nothing() {
    let (database, client) = tables().await;
    let (calls, awake) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
    let sleepy = {
        let calls = calls.clone();
        move |_| {
            let (calls, awake) = (calls.clone(), awake.clone());
            async move {
                // The worker that has read the third batch sleeps until the others have written some.
                match calls.fetch_add(1, Ordering::Relaxed) {
                    2 => awake.notified().await,
                    30 => awake.notify_one(),
                    _ => {}
                }
            }
        }
    };
    let mut backfill = fill(2, sleepy);
    backfill.settings = backfill.settings.lease(Duration::from_millis(100));

    migrate(&database, backfill).await.unwrap();

    assert!(calls.load(Ordering::Relaxed) > 30, "the others have taken over");
    assert_eq!(number(&client, WRONG).await, 0);
    assert_eq!(counts(&client).await[..2], [20_000, 18_000]);
}

#[tokio::test]
async fn f61_whatever_batch_it_is_dropped_at_no_row_is_copied_twice_or_left_out() {
    for cut in 1..=8 {
        let (database, client) = tables().await;
        let (calls, reached) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
        let stuck = {
            let reached = reached.clone();
            move |_| {
                let (calls, reached) = (calls.clone(), reached.clone());
                async move {
                    if calls.fetch_add(1, Ordering::Relaxed) + 1 >= cut {
                        reached.notify_one();
                        std::future::pending::<()>().await;
                    }
                }
            }
        };
        tokio::select! {
            migrated = migrate(&database, fill(2, stuck)) => {
                migrated.unwrap();
                assert!(cut > 6, "it has so few batches");
                break;
            }
            () = reached.notified() => {}
        }
        // The other cuts find rows there that somebody else has written meanwhile, in front of the cursors and behind them.
        let own = "INSERT INTO amounts SELECT id, 'own' FROM prices WHERE id % 10 <> 0 AND id % 1000 = 7 ON CONFLICT DO NOTHING";
        let own = if cut % 2 == 0 { client.execute(own, &[]).await.unwrap() } else { 0 };
        let own = i64::try_from(own).unwrap();

        migrate(&database, fill(1, nothing)).await.unwrap();

        assert_eq!(number(&client, TAKES_ALL).await, 1, "cut at batch {cut}");
        assert_eq!(number(&client, WRONG).await, own, "cut at batch {cut}");
        assert_eq!(number(&client, AMOUNTS).await, 18_000, "cut at batch {cut}");
        let [processed, changed, ..] = counts(&client).await;
        assert_eq!(changed, 18_000 - own, "cut at batch {cut}");
        // Where a range is looked at, whoever is there already is not one of its rows.
        assert!((20_000 - own..=20_000).contains(&processed), "cut at batch {cut}: {processed}");
    }
}

#[tokio::test]
async fn f61_a_copy_whose_sessions_are_ended_goes_on_with_each_row_once() {
    let (database, client) = tables().await;
    let other = Arc::new(database.connect().await.unwrap());
    let calls = Arc::new(AtomicU32::new(0));
    let ends = {
        let calls = calls.clone();
        move |_| {
            let (other, calls) = (other.clone(), calls.clone());
            async move {
                if calls.fetch_add(1, Ordering::Relaxed) % 8 == 5 && calls.load(Ordering::Relaxed) < 60 {
                    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                               WHERE datname = current_database() AND application_name = 'dunlin backfill' \
                               AND pid IN (SELECT pid FROM dunlin_history_backfill_ranges)";
                    other.batch_execute(end).await.unwrap();
                }
            }
        }
    };

    migrate(&database, fill(2, ends)).await.unwrap();

    assert!(calls.load(Ordering::Relaxed) > 16, "some were ended");
    assert_eq!(number(&client, TAKES_ALL).await, 1);
    assert_eq!(number(&client, WRONG).await, 0);
    assert_eq!(counts(&client).await[..2], [20_000, 18_000]);
}

#[tokio::test]
async fn an_index_that_is_dropped_between_two_runs_is_not_relied_on() {
    let (database, client) = tables().await;
    let (calls, reached) = (Arc::new(AtomicU32::new(0)), Arc::new(Notify::new()));
    let stuck = {
        let reached = reached.clone();
        move |_| {
            let (calls, reached) = (calls.clone(), reached.clone());
            async move {
                if calls.fetch_add(1, Ordering::Relaxed) == 3 {
                    reached.notify_one();
                    std::future::pending::<()>().await;
                }
            }
        }
    };
    tokio::select! {
        _ = migrate(&database, fill(1, stuck)) => unreachable!("it is stuck"),
        () = reached.notified() => {}
    }
    let sql = "ALTER TABLE amounts DROP CONSTRAINT amounts_pkey; CREATE INDEX ON amounts (price); \
               INSERT INTO amounts SELECT id, cents FROM prices WHERE id IN (19999, 19998)";
    client.batch_execute(sql).await.unwrap();

    migrate(&database, fill(1, nothing)).await.unwrap();

    assert_eq!(number(&client, WRONG).await, 0);
    assert_eq!(number(&client, AMOUNTS).await, 18_000, "none is there twice, though nothing forbids it");
    assert_eq!(counts(&client).await[1], 17_998);
}
