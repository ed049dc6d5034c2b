//! What would come of a backfill, without its coming.

use dunlin_backfill::{Backfill, Change, Row, RowError, Sample, Source};
use dunlin_test::Database;

use crate::support::{backfills, database, number};

#[derive(Row)]
struct Reading {
    text: String,
}

#[derive(Change)]
struct Value {
    value: i32,
}

struct Parse;

impl Backfill for Parse {
    type Row = Reading;
    type Change = Value;

    fn source(&self) -> Source {
        Source::table("readings").remaining("value IS NULL")
    }

    fn convert(&self, reading: &Reading) -> Result<Option<Value>, RowError> {
        if reading.text.is_empty() {
            return Ok(None);
        }
        Ok(Some(Value { value: reading.text.parse()? }))
    }
}

async fn readings() -> (Database, tokio_postgres::Client) {
    database(
        "CREATE TABLE readings (id int PRIMARY KEY, text text NOT NULL, value int CHECK (value < 5000)); \
         CREATE TABLE places (id int PRIMARY KEY, reading int REFERENCES readings DEFERRABLE INITIALLY DEFERRED); \
         INSERT INTO readings SELECT n, CASE WHEN n % 1000 = 0 THEN 'secret' WHEN n % 10 = 1 THEN '' ELSE n::text END \
         FROM generate_series(1, 5003) AS n",
    )
    .await
}

#[tokio::test]
async fn all_is_tried_and_nothing_is_written() {
    let (database, client) = readings().await;

    let dry = backfills(&database).dry_run("parse", &Parse, Sample::All).await.unwrap();

    insta::assert_snapshot!(dry, @r"
        backfill parse, dry run: of 5003 rows 4495 would change, 501 stay as they are, 7 be set aside
          23514: 2, (5002) (5003)
          ParseIntError: 5, (1000) (2000) (3000) (4000) (5000)
        ");
    assert_eq!(dry.processed, 5_003);
    assert_eq!(number(&client, "SELECT count(*) FROM readings WHERE value IS NOT NULL").await, 0);
    let tables = "SELECT count(*) FROM pg_class WHERE relname LIKE 'dunlin%'";
    assert_eq!(number(&client, tables).await, 0, "not even where it would be written down");
}

#[tokio::test]
async fn a_sample_is_as_large_as_it_was_asked_for() {
    let (database, _) = readings().await;

    let dry = backfills(&database).dry_run("parse", &Parse, Sample::Rows(1_234)).await.unwrap();

    assert_eq!((dry.processed, dry.changed, dry.skipped), (1_234, 1_109, 124));
    assert_eq!(dry.poison.get("ParseIntError"), Some(&1));
}
