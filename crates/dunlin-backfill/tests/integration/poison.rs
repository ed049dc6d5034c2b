//! Rows that can't be converted, or can't be written.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use dunlin_backfill::{Backfill, Budget, Change, Row, RowError, Settings, Source};
use dunlin_core::{BoxError, Migrator};
use tokio_postgres::Client;

use crate::support::{causes, counts, database, migrate, number};

#[derive(Row)]
struct Raw {
    text: String,
}

#[derive(Change)]
struct Parsed {
    value: i32,
}

struct Parse(Budget);

#[dunlin_backfill::migration]
impl Backfill for Parse {
    type Row = Raw;
    type Change = Parsed;

    fn source(&self) -> Source {
        Source::table("readings").remaining("value IS NULL")
    }

    fn settings(&self) -> Settings {
        Settings::default().batch_time(Duration::from_millis(100)).budget(self.0)
    }

    fn convert(&self, raw: &Raw) -> Result<Option<Parsed>, RowError> {
        if raw.text == "?" {
            return Err(RowError::new("unknown"));
        }
        Ok(Some(Parsed { value: raw.text.parse()? }))
    }
}

/// A table of numbers in words, with a check of what they come to.
const READINGS: &str = "CREATE TABLE readings (place text, hour int, text text, value int CHECK (value < 100000), PRIMARY KEY (place, hour)); \
                        INSERT INTO readings SELECT 'p' || n % 7, n, n::text FROM generate_series(1, 3000) AS n";

const QUARANTINE: &str = "SELECT string_agg(concat_ws(' ', key::text, kind), ', ' ORDER BY key) FROM dunlin_history_backfill_quarantine";

#[tokio::test]
async fn f61_poison_rows_are_set_aside_and_all_others_are_changed() {
    let (database, client) = database(READINGS).await;
    let spoil = "UPDATE readings SET text = '?' WHERE hour = 17; UPDATE readings SET text = 'secret' WHERE hour = 1500; \
                 UPDATE readings SET text = '100001' WHERE hour IN (40, 2999); ALTER TABLE readings ALTER text DROP NOT NULL; \
                 UPDATE readings SET text = NULL WHERE hour = 3000";
    client.batch_execute(spoil).await.unwrap();

    migrate(&database, Parse(Budget::default())).await.unwrap();

    let set_aside: String = client.query_one(QUARANTINE, &[]).await.unwrap().get(0);
    assert_eq!(
        set_aside,
        "{p2,1500} ParseIntError, {p3,17} unknown, {p3,2999} 23514, {p4,3000} a value that does not fit its field, \
         {p5,40} 23514"
    );
    let left = "SELECT count(*) FROM readings WHERE value IS NULL";
    assert_eq!(number(&client, left).await, 5);
    let [processed, changed, quarantined, _] = counts(&client).await;
    assert_eq!((processed, changed, quarantined), (3_000, 2_995, 5));
}

#[tokio::test]
async fn past_its_budget_it_fails_and_says_how_to_go_on() {
    let (database, client) = database(READINGS).await;
    client.batch_execute("UPDATE readings SET text = 'secret ' || text WHERE hour % 500 = 0").await.unwrap();

    let error = migrate(&database, Parse(Budget::of(3, 1.0))).await.unwrap_err();

    let text = causes(&error);
    assert!(text.contains("rows are poison, more than its budget allows"), "{text}");
    assert!(text.contains("\"public\".\"dunlin_history_backfill_quarantine\" has their keys"), "{text}");
    assert!(!text.contains("secret"), "{text}");

    client.batch_execute("UPDATE readings SET text = replace(text, 'secret ', '')").await.unwrap();
    client.batch_execute("DELETE FROM dunlin_history_backfill_quarantine").await.unwrap();
    migrate(&database, Parse(Budget::of(10, 1.0))).await.unwrap();
    assert_eq!(number(&client, "SELECT count(*) FROM readings WHERE value IS NULL").await, 0);
}

#[derive(Row)]
struct Reading {
    place: String,
    hour: i32,
    text: String,
}

/// Spoils a row of a batch that was read already.
struct Spoiled {
    client: Client,
    at: u32,
    calls: AtomicU32,
}

#[dunlin_backfill::migration]
impl Backfill for Spoiled {
    type Row = Reading;
    type Change = Parsed;

    fn source(&self) -> Source {
        Source::table("readings").remaining("value IS NULL")
    }

    async fn enrich(&self, rows: &mut [Reading], _: &Migrator) -> Result<(), BoxError> {
        if let Some(Reading { place, hour, .. }) = rows.first()
            && self.calls.fetch_add(1, Ordering::Relaxed) == self.at
        {
            let spoil = "UPDATE readings SET text = '?' WHERE place = $1 AND hour = $2";
            self.client.execute(spoil, &[place, hour]).await?;
        }
        Ok(())
    }

    fn convert(&self, reading: &Reading) -> Result<Option<Parsed>, RowError> {
        Ok(Some(Parsed { value: reading.text.parse()? }))
    }
}

#[tokio::test]
async fn a_row_that_turns_into_poison_while_it_is_converted_is_counted_once() {
    // The first batch is written in one transaction, later ones in stripes.
    for at in [0, 1] {
        let (database, client) = database(READINGS).await;
        client.batch_execute("ANALYZE readings").await.unwrap();
        let spoiler = database.connect().await.unwrap();

        migrate(&database, Spoiled { client: spoiler, at, calls: AtomicU32::new(0) }).await.unwrap();

        let [processed, changed, quarantined, _] = counts(&client).await;
        assert_eq!((processed, changed, quarantined), (3_000, 2_999, 1), "spoiled in batch {at}");
    }
}

#[derive(Row)]
struct Cast {
    #[row(sql = "text::int")]
    number: i32,
}

struct Casts;

#[dunlin_backfill::migration]
impl Backfill for Casts {
    type Row = Cast;
    type Change = Parsed;

    fn source(&self) -> Source {
        Source::table("readings").remaining("value IS NULL")
    }

    fn convert(&self, cast: &Cast) -> Result<Option<Parsed>, RowError> {
        Ok(Some(Parsed { value: cast.number }))
    }
}

#[tokio::test]
async fn f66_a_row_that_can_not_be_read_ends_it_without_its_values() {
    let (database, client) = database(READINGS).await;
    client.batch_execute("UPDATE readings SET text = 'secret' WHERE hour = 1500").await.unwrap();

    let text = causes(&migrate(&database, Casts).await.unwrap_err());

    assert!(text.ends_with("invalid input syntax for type integer: ... (22P02)"), "{text}");
    let failure = "SELECT failure FROM dunlin_history_backfills WHERE failure LIKE '%secret%'";
    assert!(client.query(failure, &[]).await.unwrap().is_empty());
}
