//! A migration of several backfills, one after the other.

use dunlin_backfill::{Backfill, Change, Down, Parts, Row, RowError, Source, Write};
use dunlin_core::{BoxError, Context, RustMigration, TransactionMode};

use crate::support::{causes, database, migrate, number, revert};

#[derive(Row)]
struct Topic {
    id: i32,
}

#[derive(Change)]
struct Period {
    #[change(cast = "int4")]
    topic: i32,
}

/// A period for each topic.
struct Periods;

impl Backfill for Periods {
    type Row = Topic;
    type Change = Period;

    fn source(&self) -> Source {
        Source::table("topics").remaining("NOT EXISTS (SELECT FROM periods WHERE periods.topic = topics.id)")
    }

    fn write(&self) -> Write {
        Write::sql("INSERT INTO periods (topic) SELECT topic FROM changes")
    }

    fn convert(&self, topic: &Topic) -> Result<Option<Period>, RowError> {
        Ok(Some(Period { topic: topic.id }))
    }

    fn down(&self) -> Down {
        Down::nothing()
    }
}

#[derive(Row)]
struct Content {
    #[row(sql = "(SELECT id FROM periods WHERE periods.topic = contents.topic)")]
    period: Option<i32>,
}

#[derive(Change)]
struct Link {
    period: Option<i32>,
}

/// The period of each content.
struct Links;

impl Backfill for Links {
    type Row = Content;
    type Change = Link;

    fn source(&self) -> Source {
        Source::table("contents").remaining("period IS NULL")
    }

    fn convert(&self, content: &Content) -> Result<Option<Link>, RowError> {
        Ok(content.period.map(|period| Link { period: Some(period) }))
    }

    fn down(&self) -> Down {
        Down::backfill(Unlink)
    }
}

struct Unlink;

impl Backfill for Unlink {
    type Row = Content;
    type Change = Link;

    fn source(&self) -> Source {
        Source::table("contents").remaining("period IS NOT NULL")
    }

    fn convert(&self, _: &Content) -> Result<Option<Link>, RowError> {
        Ok(Some(Link { period: None }))
    }
}

struct Both {
    fails_between: bool,
}

impl RustMigration for Both {
    const REVERSIBLE: bool = true;
    const TRANSACTION: TransactionMode = TransactionMode::None;

    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        let parts = Parts::of(cx);
        let report = parts.run("periods", &Periods).await?;
        if self.fails_between {
            return Err(format!("after {} of {}", report.changed, report.backfill).into());
        }
        parts.run("links", &Links).await?;
        Ok(())
    }

    async fn down(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        let parts = Parts::of(cx);
        parts.revert("links", &Links).await?;
        parts.revert("periods", &Periods).await
    }

    async fn verify(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        let parts = Parts::of(cx);
        parts.verify("periods", &Periods).await?;
        parts.verify("links", &Links).await?;
        Ok(())
    }
}

#[tokio::test]
async fn parts_are_run_in_order_go_on_in_the_part_that_was_cut_off_and_are_undone() {
    let (database, client) = database(
        "CREATE TABLE topics (id int PRIMARY KEY); \
         CREATE TABLE periods (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, topic int UNIQUE REFERENCES topics); \
         CREATE TABLE contents (id int PRIMARY KEY, topic int, period int REFERENCES periods); \
         INSERT INTO topics SELECT generate_series(1, 10); \
         INSERT INTO contents SELECT n, n % 12 FROM generate_series(1, 1200) AS n",
    )
    .await;
    let linked = "SELECT count(*) FROM contents JOIN periods ON periods.id = period AND periods.topic = contents.topic";
    let noted = "SELECT count(*) FROM dunlin_history_backfills";

    let error = migrate(&database, Both { fails_between: true }).await.unwrap_err();
    assert!(causes(&error).contains("after 10 of fill:periods"), "{}", causes(&error));
    migrate(&database, Both { fails_between: false }).await.unwrap();
    assert_eq!(number(&client, "SELECT count(*) FROM periods").await, 10);
    assert_eq!(number(&client, linked).await, 1_000);
    let names = "SELECT count(*) FROM dunlin_history_backfills WHERE name IN ('fill:periods', 'fill:links')";
    assert_eq!(number(&client, names).await, 2);

    revert(&database, Both { fails_between: false }).await.unwrap();
    assert_eq!(number(&client, "SELECT count(*) FROM contents WHERE period IS NOT NULL").await, 0);
    assert_eq!(number(&client, noted).await, 0);
}
