//! The table that is filled in, who else writes to it, and what has to be true of it at the end.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use dunlin_test::Database;
use fastrand::Rng;
use tests::database;
use tokio::task::JoinSet;
use tokio_postgres::Client;

pub(super) const ROWS: i64 = 10_000;

const TABLE: &str = "CREATE TABLE people (id bigint PRIMARY KEY, first text NOT NULL, last text NOT NULL, whole text, \
                     writes int NOT NULL DEFAULT 0)";

/// In the order of the key, or in any other: then the first pass goes along the places of the rows.
const FILL: [&str; 2] = ["n", "md5(n::text)"];

/// How many there were.
static TABLES: AtomicUsize = AtomicUsize::new(0);

/// What a version of the application does that does not know the new column yet.
const OLD: &str = "UPDATE people SET first = $2, writes = writes + 1 WHERE id = $1 AND whole IS NULL";

/// What the version after it does: to a row that lacks the column, and to one that has it.
const COMPLETE: &str = "UPDATE people SET first = $2, whole = $2 || ' ' || last, writes = writes + 1 WHERE id = $1 AND whole IS NULL";
const KNOWN: &str = "UPDATE people SET first = $2, whole = $2 || ' ' || last, writes = writes + 1 WHERE id = $1 AND whole IS NOT NULL";

/// Rows that are not what they have to be.
const WRONG: &str = "SELECT count(*) FROM people WHERE whole IS DISTINCT FROM \
                     CASE WHEN id % 7 = 0 OR id <= 3 OR id > 9997 THEN NULL ELSE first || ' ' || last END";

/// What becomes of a row, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Filled,
    Skipped,
    Poison,
}

impl Fate {
    /// Every seventh row needs no change. The first rows and the last are poison: a batch with such rows is written in one transaction.
    pub(super) fn of(id: i64) -> Self {
        match id {
            ..=3 | 9_998.. => Self::Poison,
            id if id % 7 == 0 => Self::Skipped,
            _ => Self::Filled,
        }
    }

    /// How many rows have it.
    fn count(self) -> i64 {
        (1..=ROWS).filter(|id| Self::of(*id) == self).count().try_into().unwrap()
    }
}

/// Who writes while the backfill runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writers {
    /// Three that write in the old way: rows remain as they are.
    Old,
    /// Three that write in both ways.
    Both,
    None,
}

impl Writers {
    /// Those that write.
    pub(super) const ALL: [Self; 2] = [Self::Old, Self::Both];
}

/// A database with people, and an application that writes them.
pub(super) struct People {
    pub(super) database: Database,
    pub(super) client: Client,
    tasks: JoinSet<Result<(), tokio_postgres::Error>>,
    written: Arc<Written>,
    is_scattered: bool,
}

impl People {
    /// The application is at work when this returns.
    pub(super) async fn start(writers: Writers, seed: u64) -> Self {
        let database = database().await;
        let client = database.connect().await.unwrap();
        let order = TABLES.fetch_add(1, Ordering::Relaxed) % FILL.len();
        let fill = format!(
            "{TABLE}; INSERT INTO people SELECT n, 'first ' || n, 'last ' || n FROM generate_series(1, {ROWS}) AS n ORDER BY {}; \
             ANALYZE people",
            FILL[order]
        );
        client.batch_execute(&fill).await.unwrap();
        let written = Arc::new(Written::default());
        let mut tasks = JoinSet::new();
        let mut seeds = Rng::with_seed(seed);
        let count = if writers == Writers::None { 0 } else { 3 };
        for _ in 0..count {
            let client = database.connect().await.unwrap();
            let (random, written) = (seeds.fork(), Arc::clone(&written));
            tasks.spawn(async move { written.write(&client, writers, random).await });
        }
        while count > 0 && written.rows.load(Ordering::Relaxed) < 20 {
            tokio::task::yield_now().await;
        }
        Self { database, client, tasks, written, is_scattered: order > 0 }
    }

    /// Ends the application, and looks at what is there.
    pub(super) async fn check(mut self) -> Result<(), String> {
        self.written.is_over.store(true, Ordering::Relaxed);
        while let Some(writer) = self.tasks.join_next().await {
            writer.unwrap().map_err(|error| format!("a writer: {error}"))?;
        }
        let [rows, completed] =
            [&self.written.rows, &self.written.completed].map(|count| count.load(Ordering::Relaxed));
        let mut wrong = Vec::new();
        let mut is = |what: &str, found: i64, expected: RangeInclusive<i64>| {
            if !expected.contains(&found) {
                wrong.push(format!("{what}: {found} instead of {expected:?}"));
            }
        };
        let exactly = |number: i64| number..=number;
        is("rows that are wrong", self.number(WRONG).await, exactly(0));
        is("rows", self.number("SELECT count(*) FROM people").await, exactly(ROWS));
        is("writes of the application", self.number("SELECT sum(writes) FROM people").await, exactly(rows));
        let left = "SELECT count(*) FROM dunlin_history_backfill_ranges";
        is("ranges that are left", self.number(left).await, exactly(0));
        let finished = "SELECT count(*) FROM dunlin_history_backfills WHERE state = 'finished'";
        is("finished backfills", self.number(finished).await, exactly(1));
        let set_aside = "SELECT count(*) FROM dunlin_history_backfill_quarantine";
        is("rows that are set aside", self.number(set_aside).await, exactly(Fate::Poison.count()));

        // Each row that needs it has its column from the backfill or from the application, and from one of them only. What the
        // application completes before it is read was not there for the backfill; what it completes while it is in hand was.
        let [processed, changed, quarantined] = self.counts().await;
        is("changed", changed, exactly(Fate::Filled.count() - completed));
        is("quarantined", quarantined, exactly(Fate::Poison.count()));
        // A row that needs no change, and that the application moves to another page, is met there again, or not at all.
        let moved = if self.is_scattered { rows } else { 0 };
        is("processed", processed, ROWS - completed - moved..=ROWS + moved);
        let skipped = Fate::Skipped.count();
        is("skipped", processed - changed - quarantined, skipped - moved..=skipped + completed + moved);
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    }

    /// What is counted so far: processed, changed, quarantined.
    async fn counts(&self) -> [i64; 3] {
        let sql = "SELECT processed, changed, quarantined FROM dunlin_history_backfills WHERE name = 'fill'";
        let row = self.client.query_one(sql, &[]).await.unwrap();
        [0, 1, 2].map(|column| row.get(column))
    }

    /// Waits until the server answers a question with yes.
    pub(super) async fn until(&self, question: &str) {
        let began = Instant::now();
        while !self.client.query_one(question, &[]).await.unwrap().get::<_, bool>(0) {
            assert!(began.elapsed() < Duration::from_secs(30), "still not so: {question}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub(super) async fn number(&self, sql: &str) -> i64 {
        self.client.query_one(sql, &[]).await.unwrap().get(0)
    }
}

/// What the application has written.
#[derive(Default)]
struct Written {
    is_over: AtomicBool,
    rows: AtomicI64,
    /// Rows that lacked the column and have it from the application.
    completed: AtomicI64,
}

impl Written {
    /// Writes rows at random until it is over.
    async fn write(
        &self,
        client: &Client,
        writers: Writers,
        mut random: Rng,
    ) -> Result<(), tokio_postgres::Error> {
        client.batch_execute("SET synchronous_commit = off").await?;
        let (old, complete) = (client.prepare(OLD).await?, client.prepare(COMPLETE).await?);
        let known = client.prepare(KNOWN).await?;
        while !self.is_over.load(Ordering::Relaxed) {
            let id = random.i64(1..=ROWS);
            let first = format!("changed {}", random.u32(..));
            let is_new = writers == Writers::Both && random.bool() && Fate::of(id) == Fate::Filled;
            let mut rows = 0;
            if is_new {
                let completed = client.execute(&complete, &[&id, &first]).await?;
                self.completed.fetch_add(completed.try_into().unwrap(), Ordering::Relaxed);
                rows += completed;
            }
            // A row that has the column keeps it: it is completed already if it was not so before.
            let statement = if is_new { &known } else { &old };
            if rows == 0 {
                rows += client.execute(statement, &[&id, &first]).await?;
            }
            self.rows.fetch_add(rows.try_into().unwrap(), Ordering::Relaxed);
            // The application does something else, too.
            tokio::time::sleep(Duration::from_micros(random.u64(..2_000))).await;
        }
        Ok(())
    }
}
