//! A column is filled from others.

use dunlin_backfill::{Backfill, Change, Down, Row, RowError, Settings, Source};

use crate::support::{counts, migrate, number, people, revert};

#[derive(Row)]
struct Name {
    first: String,
    last: String,
}

#[derive(Change)]
struct Whole {
    whole: Option<String>,
}

struct Fill;

#[dunlin_backfill::migration]
impl Backfill for Fill {
    type Row = Name;
    type Change = Whole;

    fn source(&self) -> Source {
        Source::table("people").remaining("whole IS NULL")
    }

    fn settings(&self) -> Settings {
        Settings::default().batch_time(std::time::Duration::from_millis(200))
    }

    fn convert(&self, name: &Name) -> Result<Option<Whole>, RowError> {
        Ok(Some(Whole { whole: Some(format!("{} {}", name.first, name.last)) }))
    }

    fn down(&self) -> Down {
        Down::backfill(Empty)
    }
}

struct Empty;

impl Backfill for Empty {
    type Row = Name;
    type Change = Whole;

    fn source(&self) -> Source {
        Source::table("people").remaining("whole IS NOT NULL")
    }

    fn convert(&self, _: &Name) -> Result<Option<Whole>, RowError> {
        Ok(Some(Whole { whole: None }))
    }
}

const LEFT: &str = "SELECT count(*) FROM people WHERE whole IS DISTINCT FROM first || ' ' || last";

#[tokio::test]
async fn every_row_is_changed_once_and_all_are_counted() {
    let (database, client) = people(25_000).await;

    migrate(&database, Fill).await.unwrap();

    assert_eq!(number(&client, LEFT).await, 0);
    assert_eq!(counts(&client).await[..3], [25_000, 25_000, 0]);
    assert_eq!(number(&client, "SELECT count(*) FROM dunlin_history_backfill_ranges").await, 0);
}

#[tokio::test]
async fn a_table_without_rows_is_done_at_once() {
    let (database, client) = people(0).await;

    migrate(&database, Fill).await.unwrap();

    assert_eq!(counts(&client).await, [0; 4]);
}

#[tokio::test]
async fn the_inverse_undoes_it_and_it_can_be_done_again() {
    let (database, client) = people(3_000).await;
    migrate(&database, Fill).await.unwrap();

    revert(&database, Fill).await.unwrap();
    assert_eq!(number(&client, "SELECT count(*) FROM people WHERE whole IS NULL").await, 3_000);
    assert_eq!(number(&client, "SELECT count(*) FROM dunlin_history_backfills").await, 0);

    migrate(&database, Fill).await.unwrap();
    assert_eq!(counts(&client).await[..3], [3_000, 3_000, 0]);
}

/// How many transactions have written rows, and how many batches there were.
async fn transactions(client: &tokio_postgres::Client) -> (i64, i64) {
    let written = number(client, "SELECT count(DISTINCT xmin::text) FROM people").await;
    (written, number(client, "SELECT batches FROM dunlin_history_backfills").await)
}

#[tokio::test]
async fn a_table_in_another_order_than_its_key_is_gone_through_page_by_page() {
    let (database, client) = people(30_000).await;
    migrate(&database, Fill).await.unwrap();
    let (transactions_in_order, batches) = transactions(&client).await;
    assert!(transactions_in_order > 2 * batches, "{transactions_in_order} for {batches}");

    let (database, client) = people(30_000).await;
    // The same rows, anywhere.
    let scatter = "CREATE TABLE anywhere (LIKE people INCLUDING ALL); INSERT INTO anywhere SELECT * FROM people ORDER BY md5(id::text); \
                   DROP TABLE people; ALTER TABLE anywhere RENAME TO people; ANALYZE people";
    client.batch_execute(scatter).await.unwrap();
    migrate(&database, Fill).await.unwrap();
    let (scattered, batches) = transactions(&client).await;
    assert!(scattered > 2 * batches, "{scattered} for {batches}");
    assert_eq!(number(&client, LEFT).await, 0);
    assert_eq!(counts(&client).await[..3], [30_000, 30_000, 0]);
    let along = "SELECT count(*) FROM dunlin_history_backfills WHERE along_places";
    assert_eq!(number(&client, along).await, 1, "it went along the pages");
}
