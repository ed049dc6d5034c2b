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
