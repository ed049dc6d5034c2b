//! A backfill is cut off, and goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use dunlin_backfill::{Backfill, Change, Row, RowError, Settings, Source};
use dunlin_core::{BoxError, Migrator};
use tokio::sync::Notify;

use crate::support::{causes, counts, migrate, number, people};

#[derive(Row)]
struct Name {
    id: i64,
    first: String,
}

#[derive(Change)]
struct Whole {
    whole: String,
}

/// Does something when batches are read. Every third row needs no change.
struct Fill<F> {
    settings: Settings,
    on_batch: F,
}

#[dunlin_backfill::migration]
impl<F: AsyncOnBatch> Backfill for Fill<F> {
    type Row = Name;
    type Change = Whole;

    fn source(&self) -> Source {
        Source::table("people").remaining("whole IS NULL")
    }

    fn settings(&self) -> Settings {
        self.settings.clone()
    }

    async fn enrich(&self, rows: &mut [Name], _: &Migrator) -> Result<(), BoxError> {
        self.on_batch.call(rows.len()).await
    }

    fn convert(&self, name: &Name) -> Result<Option<Whole>, RowError> {
        Ok((name.id % 3 != 0).then(|| Whole { whole: name.first.clone() }))
    }
}

trait AsyncOnBatch: Send + Sync + 'static {
    fn call(&self, rows: usize) -> impl Future<Output = Result<(), BoxError>> + Send;
}

impl<F, R> AsyncOnBatch for F
where
    F: Fn(usize) -> R + Send + Sync + 'static,
    R: Future<Output = Result<(), BoxError>> + Send,
{
    fn call(&self, rows: usize) -> impl Future<Output = Result<(), BoxError>> + Send {
        self(rows)
    }
}

fn quick() -> Settings {
    Settings::default().batch_time(Duration::from_millis(20))
}

async fn nothing(_: usize) -> Result<(), BoxError> {
    Ok(())
}

const LEFT: &str = "SELECT count(*) FROM people WHERE (id % 3 <> 0) <> (whole IS NOT NULL)";

#[tokio::test]
async fn f61_whatever_batch_it_is_dropped_at_nothing_is_done_twice_or_left_out() {
    for cut in 1..=20 {
        let (database, client) = people(6_000).await;
        let calls = Arc::new(AtomicU32::new(0));
        let reached = Arc::new(Notify::new());
        let stuck = {
            let (calls, reached) = (calls.clone(), reached.clone());
            move |_| {
                let (calls, reached) = (calls.clone(), reached.clone());
                async move {
                    if calls.fetch_add(1, Ordering::Relaxed) + 1 >= cut {
                        reached.notify_one();
                        std::future::pending::<()>().await;
                    }
                    Ok(())
                }
            }
        };
        let first = migrate(&database, Fill { settings: quick(), on_batch: stuck });
        tokio::select! {
            migrated = first => {
                migrated.unwrap();
                assert!(cut > 4, "it has so few batches");
                break;
            }
            () = reached.notified() => {}
        }

        migrate(&database, Fill { settings: quick(), on_batch: nothing }).await.unwrap();

        assert_eq!(number(&client, LEFT).await, 0, "cut at batch {cut}");
        let [processed, changed, ..] = counts(&client).await;
        assert_eq!((processed, changed), (6_000, 4_000), "cut at batch {cut}");
    }
}

#[tokio::test]
async fn f60_a_worker_that_sleeps_past_its_lease_writes_nothing() {
    let (database, client) = people(3_000).await;
    let calls = Arc::new(AtomicU32::new(0));
    let awake = Arc::new(Notify::new());
    let sleepy = {
        let (calls, awake) = (calls.clone(), awake.clone());
        move |_| {
            let (calls, awake) = (calls.clone(), awake.clone());
            async move {
                // The first worker that has read something sleeps until the other has written.
                match calls.fetch_add(1, Ordering::Relaxed) {
                    0 => awake.notified().await,
                    3 => awake.notify_one(),
                    _ => {}
                }
                Ok(())
            }
        }
    };
    let settings = quick().workers(2).lease(Duration::from_millis(100));

    migrate(&database, Fill { settings, on_batch: sleepy }).await.unwrap();

    assert!(calls.load(Ordering::Relaxed) > 3, "the other worker has taken over");
    assert_eq!(number(&client, LEFT).await, 0);
    let [processed, changed, ..] = counts(&client).await;
    assert_eq!((processed, changed), (3_000, 2_000));
}

#[tokio::test]
async fn f62_a_column_that_is_dropped_stops_it_and_it_goes_on_when_that_is_mended() {
    let (database, client) = people(5_000).await;
    let other = Arc::new(database.connect().await.unwrap());
    let calls = Arc::new(AtomicU32::new(0));
    let drops = {
        let (other, calls) = (other.clone(), calls.clone());
        move |_| {
            let (other, calls) = (other.clone(), calls.clone());
            async move {
                if calls.fetch_add(1, Ordering::Relaxed) == 1 {
                    other.batch_execute("ALTER TABLE people RENAME first TO given").await?;
                }
                Ok(())
            }
        }
    };
    let one_at_a_time = || quick().batch_time(Duration::from_millis(5));
    let error = migrate(&database, Fill { settings: one_at_a_time(), on_batch: drops }).await.unwrap_err();
    let text = causes(&error);
    assert!(text.contains("backfill fill: the schema was changed under it: "), "{text}");
    assert!(text.contains("run again, which goes on where it stopped"), "{text}");

    client.batch_execute("ALTER TABLE people RENAME given TO first").await.unwrap();
    migrate(&database, Fill { settings: quick(), on_batch: nothing }).await.unwrap();

    assert_eq!(number(&client, LEFT).await, 0);
    let [processed, changed, ..] = counts(&client).await;
    assert_eq!((processed, changed), (5_000, 3_334));
}

#[tokio::test]
async fn what_enrich_can_not_have_ends_it_and_it_goes_on() {
    let (database, client) = people(100).await;
    let fails = |_| async { Err("the rate service is down".into()) };
    let error = migrate(&database, Fill { settings: quick(), on_batch: fails }).await.unwrap_err();
    let text = causes(&error);
    assert!(text.contains("what its `enrich` asks for could not be had"), "{text}");
    assert!(text.contains("the rate service is down"), "{text}");

    migrate(&database, Fill { settings: quick(), on_batch: nothing }).await.unwrap();
    assert_eq!(number(&client, LEFT).await, 0);
}

/// Counts what it converts, and does something when it is half through.
struct Counting<F> {
    workers: usize,
    converted: Arc<AtomicU32>,
    largest: Arc<AtomicU32>,
    at_half: F,
}

#[dunlin_backfill::migration]
impl<F: AsyncOnBatch> Backfill for Counting<F> {
    type Row = Name;
    type Change = Whole;

    fn source(&self) -> Source {
        Source::table("people").remaining("whole IS NULL")
    }

    fn settings(&self) -> Settings {
        quick().workers(self.workers)
    }

    async fn enrich(&self, rows: &mut [Name], _: &Migrator) -> Result<(), BoxError> {
        self.largest.fetch_max(u32::try_from(rows.len())?, Ordering::Relaxed);
        if self.converted.load(Ordering::Relaxed) >= PEOPLE / 2 {
            self.at_half.call(rows.len()).await
        } else {
            Ok(())
        }
    }

    fn convert(&self, name: &Name) -> Result<Option<Whole>, RowError> {
        self.converted.fetch_add(1, Ordering::Relaxed);
        Ok(Some(Whole { whole: name.first.clone() }))
    }
}

const PEOPLE: u32 = 32_000;

#[tokio::test]
async fn killed_at_half_it_converts_no_row_again_but_those_of_a_batch_and_of_the_one_read_meanwhile() {
    for workers in [1, 2] {
        for is_dropped in [true, false] {
            let (database, client) = people(PEOPLE.into()).await;
            let (converted, largest) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
            let (killed, calls) = (Arc::new(Notify::new()), Arc::new(AtomicU32::new(0)));
            let other = Arc::new(database.connect().await.unwrap());
            let kill = {
                let killed = killed.clone();
                move |_| {
                    let (killed, calls, other) = (killed.clone(), calls.clone(), other.clone());
                    async move {
                        if is_dropped {
                            killed.notify_one();
                            std::future::pending::<()>().await;
                        } else if calls.fetch_add(1, Ordering::Relaxed) == 0 {
                            let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() \
                                       AND application_name = 'dunlin backfill' AND pid IN (SELECT pid FROM dunlin_history_backfill_ranges)";
                            other.batch_execute(end).await?;
                        }
                        Ok(())
                    }
                }
            };
            let counted = (converted.clone(), largest.clone());
            let counting = Counting { workers, converted: counted.0, largest: counted.1, at_half: kill };
            tokio::select! {
                migrated = migrate(&database, counting) => migrated.unwrap(),
                () = killed.notified() => {
                    let (converted, largest) = (converted.clone(), largest.clone());
                    let again = Counting { workers, converted, largest, at_half: nothing };
                    migrate(&database, again).await.unwrap()
                }
            };

            let what = format!("{workers} workers, dropped: {is_dropped}");
            assert_eq!(
                number(&client, "SELECT count(*) FROM people WHERE whole = first").await,
                i64::from(PEOPLE),
                "{what}"
            );
            assert_eq!(counts(&client).await[..3], [i64::from(PEOPLE), i64::from(PEOPLE), 0], "{what}");
            let again = converted.load(Ordering::Relaxed) - PEOPLE;
            let batches = largest.load(Ordering::Relaxed) * 2 * u32::try_from(workers).unwrap();
            assert!(again <= batches, "{what}: {again} rows again, two batches have {batches}");
        }
    }
}
