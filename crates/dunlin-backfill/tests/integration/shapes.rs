//! The shapes that backfills have: other keys than one number, other effects than one column.

use dunlin_backfill::{Backfill, Change, Row, RowError, Source, Write};
use serde_json::Value;

use crate::support::{counts, database, migrate, number};

/// The rows of a query, each as a text.
async fn rows(client: &tokio_postgres::Client, sql: &str) -> Vec<String> {
    let rows = client.query(&format!("SELECT r::text FROM ({sql}) AS r"), &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[derive(Row)]
struct Document {
    doc: Value,
}

#[derive(Change)]
struct NewDocument {
    doc: Value,
}

struct Rewrite;

#[dunlin_backfill::migration]
impl Backfill for Rewrite {
    type Row = Document;
    type Change = NewDocument;

    fn source(&self) -> Source {
        Source::table("\"Docs\"").remaining("NOT doc ? 'city'").key(["code", "id"])
    }

    fn convert(&self, row: &Document) -> Result<Option<NewDocument>, RowError> {
        let mut doc = row.doc.clone();
        let fields = doc.as_object_mut().ok_or(RowError::new("no object"))?;
        let address = fields.remove("address").ok_or(RowError::new("no address"))?;
        fields.insert("city".to_owned(), address.get("city").cloned().unwrap_or_default());
        Ok(Some(NewDocument { doc }))
    }
}

#[tokio::test]
async fn a_document_is_rewritten_by_a_key_of_a_text_and_a_uuid() {
    let (database, client) = database(
        "CREATE TABLE \"Docs\" (id uuid DEFAULT gen_random_uuid(), code text COLLATE \"C\" NOT NULL, doc jsonb NOT NULL, UNIQUE (code, id)); \
         ALTER TABLE \"Docs\" ALTER id SET NOT NULL; \
         INSERT INTO \"Docs\" (code, doc) SELECT chr(65 + n % 26) || '''\"', jsonb_build_object('n', n, 'address', jsonb_build_object('city', 'c' || n)) \
         FROM generate_series(1, 3000) AS n",
    )
    .await;

    migrate(&database, Rewrite).await.unwrap();

    let right = "SELECT count(*) FROM \"Docs\" WHERE doc = jsonb_build_object('n', doc->'n', 'city', 'c' || (doc->>'n'))";
    assert_eq!(number(&client, right).await, 3_000);
}

#[derive(Row)]
struct Topic {
    id: i32,
    #[row(sql = "(SELECT min(at) FROM contents AS c WHERE c.topic = topics.id)::text")]
    first: Option<String>,
    #[row(sql = "(SELECT count(*) FROM contents AS c WHERE c.topic = topics.id)")]
    contents: i64,
}

#[derive(Change)]
struct Period {
    #[change(cast = "int4")]
    topic: i32,
    #[change(cast = "text")]
    first: String,
    #[change(cast = "int8")]
    contents: i64,
}

/// A parent row for each group, with aggregates, and its children linked to it.
struct Periods;

#[dunlin_backfill::migration]
impl Backfill for Periods {
    type Row = Topic;
    type Change = Period;

    fn source(&self) -> Source {
        Source::table("topics")
            .remaining("EXISTS (SELECT FROM contents AS c WHERE c.topic = topics.id AND c.period IS NULL)")
    }

    fn write(&self) -> Write {
        Write::sql(
            "WITH made AS (INSERT INTO periods (topic, first, contents) \
             SELECT topic, first::date, contents FROM changes RETURNING id, topic) \
             UPDATE contents SET period = made.id FROM made WHERE contents.topic = made.topic",
        )
    }

    fn convert(&self, topic: &Topic) -> Result<Option<Period>, RowError> {
        let Some(first) = topic.first.clone() else { return Ok(None) };
        Ok(Some(Period { topic: topic.id, first, contents: topic.contents }))
    }
}

#[tokio::test]
async fn a_parent_is_made_for_each_group_and_its_children_are_linked() {
    let (database, client) = database(
        "CREATE TABLE topics (id int PRIMARY KEY); \
         CREATE TABLE periods (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, topic int UNIQUE REFERENCES topics, first date, contents int); \
         CREATE TABLE contents (id int PRIMARY KEY, topic int REFERENCES topics, at date, period int REFERENCES periods); \
         INSERT INTO topics SELECT generate_series(1, 300); \
         INSERT INTO contents SELECT n, n % 100 + 1, date '2026-01-01' + n / 100 FROM generate_series(0, 1999) AS n",
    )
    .await;

    migrate(&database, Periods).await.unwrap();

    assert_eq!(number(&client, "SELECT count(*) FROM contents WHERE period IS NULL").await, 0);
    let periods = "SELECT topic, first, contents FROM periods ORDER BY topic LIMIT 2";
    assert_eq!(rows(&client, periods).await, ["(1,2026-01-01,20)", "(2,2026-01-01,20)"]);
    assert_eq!(number(&client, "SELECT count(*) FROM periods").await, 100);
    let [processed, changed, ..] = counts(&client).await;
    assert_eq!((processed, changed), (100, 100));
}

#[derive(Row)]
struct Nothing {}

/// Rows whose parent is gone go to an archive.
struct Archive;

#[dunlin_backfill::migration]
impl Backfill for Archive {
    type Row = Nothing;
    type Change = ();

    fn source(&self) -> Source {
        Source::table("orders").remaining("NOT EXISTS (SELECT FROM users WHERE users.id = orders.user_id)")
    }

    fn write(&self) -> Write {
        Write::sql(
            "WITH gone AS (DELETE FROM orders USING changes WHERE orders.id = changes.id RETURNING orders.*) \
             INSERT INTO orders_archive SELECT * FROM gone;",
        )
    }

    fn convert(&self, _: &Nothing) -> Result<Option<()>, RowError> {
        Ok(Some(()))
    }
}

/// Those that are left go away when their user has no name.
struct Delete;

#[dunlin_backfill::migration]
impl Backfill for Delete {
    type Row = Nothing;
    type Change = ();

    fn source(&self) -> Source {
        Source::table("public.orders").remaining("id % 10 = 0 -- every tenth").filter("id > 50")
    }

    fn write(&self) -> Write {
        Write::delete()
    }

    fn convert(&self, _: &Nothing) -> Result<Option<()>, RowError> {
        Ok(Some(()))
    }
}

const ORDERS: &str = "CREATE TABLE users (id int PRIMARY KEY); CREATE TABLE orders (id int PRIMARY KEY, user_id int); \
                      CREATE TABLE orders_archive (LIKE orders INCLUDING ALL); INSERT INTO users SELECT generate_series(1, 50); \
                      INSERT INTO orders SELECT n, n FROM generate_series(1, 100) AS n";

#[tokio::test]
async fn orphans_go_to_an_archive() {
    let (database, client) = database(ORDERS).await;
    migrate(&database, Archive).await.unwrap();
    assert_eq!(number(&client, "SELECT count(*) FROM orders").await, 50);
    assert_eq!(number(&client, "SELECT min(id)::int8 FROM orders_archive").await, 51);
    assert_eq!(number(&client, "SELECT count(*) FROM orders_archive").await, 50);
}

#[tokio::test]
async fn rows_are_deleted_within_the_filter() {
    let (database, client) = database(ORDERS).await;
    migrate(&database, Delete).await.unwrap();
    assert_eq!(number(&client, "SELECT count(*) FROM orders").await, 95);
}

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

/// A table is filled from another.
struct Copy;

#[dunlin_backfill::migration]
impl Backfill for Copy {
    type Row = Price;
    type Change = Amount;

    fn source(&self) -> Source {
        Source::table("prices").remaining("NOT EXISTS (SELECT FROM amounts WHERE amounts.price = prices.id)")
    }

    fn write(&self) -> Write {
        Write::insert_into("amounts")
    }

    fn convert(&self, price: &Price) -> Result<Option<Amount>, RowError> {
        let Price { id, cents } = price;
        Ok(Some(Amount { price: *id, amount: format!("{}.{:02}", cents / 100, cents % 100) }))
    }
}

#[tokio::test]
async fn rows_are_copied_into_another_table_and_those_that_are_there_stay() {
    let (database, client) = database(
        "CREATE TABLE prices (id int PRIMARY KEY, cents int8); CREATE TABLE amounts (price int PRIMARY KEY, amount varchar(20)); \
         INSERT INTO prices SELECT n, n * 7 FROM generate_series(1, 2500) AS n; INSERT INTO amounts VALUES (3, 'mine')",
    )
    .await;

    migrate(&database, Copy).await.unwrap();

    assert_eq!(number(&client, "SELECT count(*) FROM amounts").await, 2_500);
    let some = "SELECT amount FROM amounts WHERE price IN (3, 101) ORDER BY price";
    assert_eq!(rows(&client, some).await, ["(mine)", "(7.07)"]);
}

#[derive(Row)]
struct Project {}

/// Numbers the rows of each group, in order of creation.
struct Versions;

#[dunlin_backfill::migration]
impl Backfill for Versions {
    type Row = Project;
    type Change = ();

    fn source(&self) -> Source {
        Source::table("projects").remaining(
            "EXISTS (SELECT FROM generations AS g WHERE g.project = projects.id AND g.version IS NULL)",
        )
    }

    fn write(&self) -> Write {
        Write::sql(
            "UPDATE generations AS g SET version = n.version FROM (SELECT o.id, row_number() OVER \
             (PARTITION BY o.project ORDER BY o.created_at, o.id) AS version FROM generations AS o \
             JOIN changes ON changes.id = o.project) AS n WHERE n.id = g.id",
        )
    }

    fn convert(&self, _: &Project) -> Result<Option<()>, RowError> {
        Ok(Some(()))
    }
}

#[tokio::test]
async fn the_rows_of_each_group_are_numbered() {
    let (database, client) = database(
        "CREATE TABLE projects (id int PRIMARY KEY); \
         CREATE TABLE generations (id int PRIMARY KEY, project int, created_at timestamptz, version int, UNIQUE (project, version)); \
         INSERT INTO projects SELECT generate_series(1, 40); \
         INSERT INTO generations SELECT n, n % 40 + 1, timestamptz '2026-01-01' - n * interval '1 hour' FROM generate_series(1, 400) AS n",
    )
    .await;

    migrate(&database, Versions).await.unwrap();

    let wrong = "SELECT count(*) FROM (SELECT version, row_number() OVER (PARTITION BY project ORDER BY created_at, id) AS right \
                 FROM generations) AS g WHERE version IS DISTINCT FROM \"right\"";
    assert_eq!(number(&client, wrong).await, 0);
}

#[tokio::test]
async fn a_partitioned_table_is_paged_through_as_a_whole() {
    let (database, client) = database(
        "CREATE TABLE prices (id int PRIMARY KEY, cents int8) PARTITION BY RANGE (id); \
         CREATE TABLE prices_1 PARTITION OF prices FOR VALUES FROM (1) TO (1000); \
         CREATE TABLE prices_2 PARTITION OF prices FOR VALUES FROM (1000) TO (10000); \
         ALTER TABLE prices ADD euros int8; INSERT INTO prices SELECT n, n * 100 FROM generate_series(1, 2500) AS n",
    )
    .await;

    migrate(&database, Euros).await.unwrap();

    assert_eq!(number(&client, "SELECT count(*) FROM prices WHERE euros = id").await, 2_500);
}

#[derive(Change)]
struct InEuros {
    euros: i64,
}

struct Euros;

#[dunlin_backfill::migration]
impl Backfill for Euros {
    type Row = Price;
    type Change = InEuros;

    fn source(&self) -> Source {
        Source::table("prices").remaining("euros IS NULL")
    }

    fn convert(&self, price: &Price) -> Result<Option<InEuros>, RowError> {
        Ok(Some(InEuros { euros: price.cents / 100 }))
    }
}
