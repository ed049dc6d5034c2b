//! Tables that are filled from another, and conditions that ask another table.

use std::time::Duration;

use dunlin_backfill::{Backfill, Budget, Change, Row, RowError, Settings, Source, Write};

use crate::support::{backfills, counts, database, migrate, number};

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

/// Fills `amounts` from `prices`, in small batches.
#[derive(Clone, Copy)]
struct Copy {
    workers: usize,
}

#[dunlin_backfill::migration]
impl Backfill for Copy {
    type Row = Price;
    type Change = Amount;

    fn source(&self) -> Source {
        Source::table("prices").remaining("NOT EXISTS (SELECT FROM amounts WHERE amounts.price = prices.id)")
    }

    fn write(&self) -> Write {
        Write::copy_into("amounts")
    }

    fn settings(&self) -> Settings {
        let settings = Settings::default().batch_time(Duration::from_millis(10)).workers(self.workers);
        settings.budget(Budget::of(10, 1.0))
    }

    fn convert(&self, price: &Price) -> Result<Option<Amount>, RowError> {
        let Price { id, cents } = price;
        match cents {
            0 => Ok(None),
            ..0 => Err(RowError::new("negative price")),
            cents => Ok(Some(Amount { price: *id, amount: format!("{}.{:02}", cents / 100, cents % 100) })),
        }
    }
}

const TABLES: &str = "CREATE TABLE prices (id int PRIMARY KEY, cents int8); \
                      CREATE TABLE amounts (price int PRIMARY KEY, amount varchar(20) CHECK (amount <> '0.77')); \
                      INSERT INTO prices SELECT n, n * 7 FROM generate_series(1, 20000) AS n; ANALYZE prices";

const RIGHT: &str = "SELECT count(*) FROM amounts JOIN prices ON prices.id = price \
                     WHERE amount = to_char(cents / 100.0, 'FM9999990.00')";

#[tokio::test]
async fn a_new_table_is_filled_and_rows_without_a_change_are_left_out() {
    let (database, client) = database(TABLES).await;
    client.batch_execute("UPDATE prices SET cents = 0 WHERE id % 100 = 50").await.unwrap();
    client.batch_execute("UPDATE prices SET cents = 5 WHERE id = 11").await.unwrap();

    migrate(&database, Copy { workers: 2 }).await.unwrap();

    assert_eq!(number(&client, RIGHT).await, 19_800);
    assert_eq!(number(&client, "SELECT count(*) FROM amounts").await, 19_800);
    assert_eq!(counts(&client).await[..3], [20_000, 19_800, 0]);
}

#[tokio::test]
async fn a_row_that_meets_one_which_is_there_stays_out_and_one_that_is_refused_is_set_aside() {
    let (database, client) = database(TABLES).await;
    // Of other prices, under the same key.
    let sql = "ALTER TABLE amounts ADD alias int UNIQUE; INSERT INTO amounts VALUES (100001, 'mine', NULL); \
               CREATE UNIQUE INDEX ON amounts (amount); UPDATE amounts SET amount = '70.00'; UPDATE prices SET cents = -1 WHERE id = 12000";
    client.batch_execute(sql).await.unwrap();

    let error = migrate(&database, Copy { workers: 1 }).await.unwrap_err();

    // The row of 70.00 can't have its copy, so that it remains: it is told, not lost.
    let said = crate::support::causes(&error);
    assert!(said.contains("1 rows still have to be changed, the first with the key (1000)"), "{said}");
    assert_eq!(number(&client, RIGHT).await, 19_997);
    let quarantined = backfills(&database).quarantined("fill").await.unwrap();
    let quarantined: Vec<_> = quarantined.iter().map(|row| (row.key.join(","), row.kind.as_str())).collect();
    assert_eq!(quarantined, [("11".to_owned(), "23514"), ("12000".to_owned(), "negative price")]);
}

#[tokio::test]
async fn a_copy_that_is_given_up_half_way_goes_on_with_each_row_once() {
    let (database, client) = database(TABLES).await;
    client
        .batch_execute("ALTER TABLE amounts DROP CONSTRAINT amounts_pkey; CREATE INDEX ON amounts (price)")
        .await
        .unwrap();
    client.batch_execute("UPDATE prices SET cents = 5 WHERE id = 11").await.unwrap();
    const FILLED: &str = "SELECT count(*) FROM amounts";
    for _ in 0..3 {
        let before = number(&client, FILLED).await;
        let seen = async {
            while number(&client, FILLED).await == before {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            _ = migrate(&database, Copy { workers: 3 }) => break,
            () = seen => {}
        }
    }
    migrate(&database, Copy { workers: 1 }).await.unwrap();
    assert_eq!(number(&client, RIGHT).await, 20_000);
    assert_eq!(number(&client, FILLED).await, 20_000, "none is there twice, though nothing forbids it");
    assert_eq!(counts(&client).await[..2], [20_000, 20_000]);
}

#[tokio::test]
async fn the_few_rows_that_another_table_lacks_are_found_in_all_pages() {
    let (database, client) = database(TABLES).await;
    let sql = "UPDATE prices SET cents = 5 WHERE id = 11; \
               INSERT INTO amounts SELECT id, to_char(cents / 100.0, 'FM9999990.00') FROM prices WHERE id % 4000 <> 0";
    client.batch_execute(sql).await.unwrap();
    migrate(&database, Copy { workers: 2 }).await.unwrap();
    assert_eq!(number(&client, RIGHT).await, 20_000);
    assert_eq!(counts(&client).await[..2], [5, 5]);
}
