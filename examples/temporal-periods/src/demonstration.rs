//! All of it, one thing after the other, on a database that is made for it.

use std::time::Instant;

use dunlin::{BoxError, Target};
use dunlin_test::{Database, Server};
use temporal_periods::{LAYER, TABLES_AND_VIEWS, Trend, definition, migrator, preflight};
use tokio_postgres::{Client, NoTls};

use crate::command::Amount;
use crate::operation::{dry_run, generate, migrate, verify};
use crate::screen::Screen;

type Outcome = Result<(), BoxError>;

/// Past so many contents the data is kept on disk: there may not be enough memory.
const MANY: u64 = 100_000;

pub(crate) async fn run(screen: Screen, amount: Amount) -> Outcome {
    screen.heading("A PostgreSQL to try it on");
    let server = Server::builder().on_progress(move |step| screen.aside(step));
    let server = if amount.contents() > MANY { server.durable().setting("fsync", "off") } else { server };
    let server = server.start().await?;
    screen.say(&server);
    let database = server.create_database().await?;
    let outcome = show(screen, &database, amount).await;
    database.drop().await?;
    server.stop().await?;
    outcome
}

async fn show(screen: Screen, database: &Database, amount: Amount) -> Outcome {
    let config = database.config();
    let mut client = database.connect().await?;
    // Before anything is done, not when the first of three migrations fails.
    preflight(&client).await?;

    screen.heading(&format!("The old schema, with {} contents of seed {}", amount.contents(), amount.seed()));
    timed(screen, generate(screen, &config, &mut client, amount)).await?;
    let before = definition(database).await?;

    screen.heading("The temporal layer: tables, then columns, views and functions");
    migrate(screen, &config, TABLES_AND_VIEWS).await?;

    screen.heading("Dry run: what the backfill of period 0 would do");
    timed(screen, dry_run(screen, &config, &client)).await?;

    screen.heading("Period 0");
    migrate(screen, &config, Target::Latest).await?;

    screen.heading("Verify: what the migrations check, and what must be so, counted");
    timed(screen, verify(screen, &mut client)).await?;

    screen.heading("The materialized view");
    trend(screen, &client).await?;

    screen.heading("What can be asked now: the five entities with most contents");
    longest(screen, &client).await?;

    screen.heading("Rollback by three");
    screen.say(dunlin::migrate_to(&config, NoTls, &migrator(), Target::Relative(-LAYER)).await?);
    let is_same = definition(database).await? == before;
    screen.fact("the old schema", if is_same { "as before, byte for byte" } else { "NOT as before" });
    if is_same { Ok(()) } else { Err("the rollback has left something".into()) }
}

/// Plain first, as there is nothing to compare with; then concurrently, in no transaction but its own.
async fn trend(screen: Screen, client: &Client) -> Outcome {
    screen.fact("first refresh", Trend::refresh(client).await?);
    screen.fact("rows", Trend::rows(client).await?);
    screen.fact("second refresh", Trend::refresh(client).await?);
    Ok(())
}

async fn longest(screen: Screen, client: &Client) -> Outcome {
    let longest = "SELECT entity_type, entity_id, contents::bigint, periods, avg_duration_hours / 24, first_at::date::text
        FROM v_entity_timeline_summary ORDER BY contents DESC, entity_type, entity_id LIMIT 5";
    for row in client.query(longest, &[]).await? {
        let (kind, id, contents): (&str, i64, i64) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let (periods, days, first): (i64, f64, &str) = (row.try_get(3)?, row.try_get(4)?, row.try_get(5)?);
        let entity = format!("{kind} {id}");
        screen.say(format!(
            "{entity:<12}{contents:>9} contents in {periods} period of {days:.1} days, from {first} on"
        ));
    }
    Ok(())
}

async fn timed(screen: Screen, work: impl Future<Output = Outcome>) -> Outcome {
    let began = Instant::now();
    work.await?;
    screen.aside(format!("in {:.1?}", began.elapsed()));
    Ok(())
}
