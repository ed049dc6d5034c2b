//! What is not as the backfill says is refused before the first row is read, with a text that says what to do.

use dunlin_backfill::{Backfill, Change, Row, RowError, Source, Write};

use crate::support::{causes, database, migrate, number};

#[derive(Row)]
struct Number {
    number: i32,
}

#[derive(Change)]
struct Double {
    double: i32,
}

/// The double of a number, from wherever and to wherever it is said.
struct Doubles {
    source: Source,
    write: Write,
}

#[dunlin_backfill::migration]
impl Backfill for Doubles {
    type Row = Number;
    type Change = Double;

    fn source(&self) -> Source {
        self.source.clone()
    }

    fn write(&self) -> Write {
        self.write.clone()
    }

    fn convert(&self, row: &Number) -> Result<Option<Double>, RowError> {
        Ok(Some(Double { double: row.number * 2 }))
    }
}

/// What is said about a table, for a backfill of this source.
async fn refusal(sql: &str, source: Source) -> String {
    refusal_of(sql, Doubles { source, write: Write::update() }).await
}

async fn refusal_of(sql: &str, backfill: Doubles) -> String {
    let (database, client) = database(sql).await;
    let error = migrate(&database, backfill).await.unwrap_err();
    let ledger =
        "SELECT count(*) FROM pg_class WHERE relname LIKE 'dunlin_history_backfill%' AND relkind = 'r'";
    assert_eq!(number(&client, ledger).await, 0, "nothing was begun");
    let text = causes(&error);
    text.rsplit_once("backfill fill: ").expect("a backfill's error").1.to_owned()
}

fn numbers() -> Source {
    Source::table("numbers").remaining("double IS NULL")
}

const GOOD: &str = "CREATE TABLE numbers (id int PRIMARY KEY, number int NOT NULL, double int);";

#[tokio::test]
async fn f59_a_key_that_would_miss_rows_is_refused() {
    let without = "CREATE TABLE numbers (id int, number int NOT NULL, double int)";
    insta::assert_snapshot!(refusal(without, numbers()).await, @"numbers has no primary key: name the columns of a unique index with `Source::key`");
    insta::assert_snapshot!(refusal(GOOD, numbers().key(["number"])).await, @"numbers has no unique index on (number) in this order: pages would miss rows. Name the columns of one, or create it first");
    let nullable = "CREATE TABLE numbers (id int UNIQUE, number int NOT NULL, double int)";
    insta::assert_snapshot!(refusal(nullable, numbers().key(["id"])).await, @"numbers.id may hold NULL, and is part of the key: pages would miss rows. Set it NOT NULL first");
    let partial = format!("{GOOD} CREATE UNIQUE INDEX ON numbers (number) WHERE number > 0");
    insta::assert_snapshot!(refusal(&partial, numbers().key(["number"])).await, @"numbers has no unique index on (number) in this order: pages would miss rows. Name the columns of one, or create it first");
}

#[tokio::test]
async fn a_table_that_is_none_is_refused() {
    insta::assert_snapshot!(refusal("", numbers()).await, @"there is no table numbers: mend its `source`, or let the migration that creates the table come first");
    let view = format!("{GOOD} CREATE VIEW seen AS SELECT * FROM numbers");
    insta::assert_snapshot!(refusal(&view, Source::table("seen").remaining("true")).await, @"seen is a view, and a backfill pages through a table: name the table that its rows are in");
}

#[tokio::test]
async fn columns_and_types_that_do_not_fit_are_refused() {
    let sql = "CREATE TABLE numbers (id int PRIMARY KEY, number text NOT NULL, double int)";
    insta::assert_snapshot!(refusal(sql, numbers()).await, @"`number` of its `Row` is `i32`, and public.numbers.number is text: choose a type that reads it");
    let sql = "CREATE TABLE numbers (id int PRIMARY KEY, number int NOT NULL, double numeric)";
    insta::assert_snapshot!(refusal(sql, numbers()).await, @"`double` of its `Change` is `i32`, and column double is numeric: choose a type that is written to it");
    let sql = "CREATE TABLE numbers (id int PRIMARY KEY, number int NOT NULL)";
    insta::assert_snapshot!(refusal(sql, Source::table("numbers").remaining("true")).await, @"public.numbers has no column double, which its change is written to: mend the name, or add the column first");
    let sql = "CREATE TABLE numbers (id int PRIMARY KEY, double int)";
    insta::assert_snapshot!(refusal(sql, numbers()).await, @"the SQL of its `source` or `Row` is not right: column numbers.number does not exist (42703)");
    insta::assert_snapshot!(refusal(GOOD, Source::table("numbers").remaining("dubble IS NULL")).await, @r#"the SQL of its `source` or `Row` is not right: column "dubble" does not exist (42703)"#);
    let elsewhere = Doubles { source: numbers(), write: Write::insert_into("doubles") };
    insta::assert_snapshot!(refusal_of(GOOD, elsewhere).await, @"there is no table doubles: mend its `source`, or let the migration that creates the table come first");
    let sql = "CREATE TABLE numbers (id int, number int NOT NULL, PRIMARY KEY (id, number)); CREATE TABLE doubles (id int, double int)";
    let source = Source::table("numbers").missing_in("doubles", ["id"]);
    let short = Doubles { source: source.clone(), write: Write::copy_into("doubles") };
    insta::assert_snapshot!(refusal_of(sql, short).await, @"`missing_in` names 1 columns of doubles, and the key of public.numbers has 2: name one for each, in its order");
    let sql =
        "CREATE TABLE numbers (id int PRIMARY KEY, number int NOT NULL); CREATE TABLE doubles (double int)";
    let misnamed = Doubles { source, write: Write::copy_into("doubles") };
    insta::assert_snapshot!(refusal_of(sql, misnamed).await, @"the SQL of its `source` or `Row` is not right: column dunlin_there.id does not exist (42703)");
    let untyped = Doubles { source: numbers(), write: Write::sql("SELECT FROM changes") };
    let sql = "CREATE TABLE numbers (id int PRIMARY KEY, number int NOT NULL)";
    insta::assert_snapshot!(refusal_of(sql, untyped).await, @r#"`double` of its `Change` needs a type, as public.numbers has no column of this name: write `#[change(cast = "...")]` above it"#);
    let wrong =
        Doubles { source: numbers(), write: Write::sql("UPDATE numbers SET dubble = 1 FROM changes") };
    insta::assert_snapshot!(refusal_of(GOOD, wrong).await, @r#"the SQL of its `write` is not right: column "dubble" of relation "numbers" does not exist (42703)"#);
}

#[tokio::test]
async fn what_would_never_end_is_refused() {
    let (database, client) = database(GOOD).await;
    client.batch_execute("INSERT INTO numbers SELECT n, n FROM generate_series(1, 10) AS n").await.unwrap();
    let endless =
        Doubles { source: Source::table("numbers").remaining("number > 0"), write: Write::update() };

    let text = causes(&migrate(&database, endless).await.unwrap_err());

    insta::assert_snapshot!(text.rsplit_once("backfill fill: ").unwrap().1, @"what it writes leaves `number > 0` true, so that it would never end: let the change make it false, or mend `remaining`");
    assert_eq!(number(&client, "SELECT count(*) FROM numbers WHERE double IS NOT NULL").await, 0);
}

#[tokio::test]
async fn f64_a_ledger_that_somebody_could_have_prepared_is_refused() {
    let (database, client) = database(GOOD).await;
    client.batch_execute("CREATE VIEW dunlin_history_backfills AS SELECT 1").await.unwrap();

    let good = Doubles { source: numbers(), write: Write::update() };
    let text = causes(&migrate(&database, good).await.unwrap_err());

    insta::assert_snapshot!(text.rsplit_once("backfill fill: ").unwrap().1, @"dunlin_history_backfills is no plain table of this role's, or has triggers, rules or row security: look at who made it, and mend or drop it");
}
