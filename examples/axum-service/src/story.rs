//! The demonstration: three replicas, upgraded and taken back while people use them.

#![expect(clippy::indexing_slicing, reason = "what JSON does not have is null")]

use std::time::{Duration, Instant};

use axum_service::fleet::{Load, REPLICAS, Site, Started};
use axum_service::{Release, seed};
use dunlin::BoxError;
use dunlin_test::{Database, Server};
use tokio::time::sleep;
use tokio_postgres::Client;

use crate::screen::Screen;

/// How long the backfill may take.
const PATIENCE: Duration = Duration::from_secs(600);

pub(crate) async fn tell(screen: Screen, rows: u64) -> Result<(), BoxError> {
    screen.heading("A PostgreSQL to try it on");
    let server = Server::builder().on_progress(move |step| screen.aside(step)).start().await?;
    screen.say(&server);
    let database = server.create_database().await?;
    let mut client = database.connect().await?;

    screen.heading(&format!("Release 1: {REPLICAS} replicas boot at once on an empty database"));
    let mut site = open(&database).await?;
    say(screen, &site.replace(Release::One).await?);
    let began = Instant::now();
    seed(&mut client, rows).await?;
    screen.aside(format!("{rows} utterances, written in {:.1?}", began.elapsed()));
    screen.fact("users go to", site.url());

    let load = Load::start(&site.url());
    let told = upgrade_and_back(screen, &mut site, &client).await;
    let tally = load.stop().await;

    screen.heading("Requests, all the while");
    screen.say(&tally);
    let logged = "SELECT string_agg(format('%s by release %s', calls, release), ', ' ORDER BY release)
        FROM (SELECT release, count(*) AS calls FROM api_calls_log GROUP BY release) AS releases";
    screen.aside(format!("written down: {}", client.query_one(logged, &[]).await?.try_get::<_, String>(0)?));
    told?;
    site.close().await?;
    drop(client);
    database.drop().await?;
    server.stop().await?;
    match tally.failed() {
        0 => Ok(()),
        failed => Err(format!("{failed} requests have failed").into()),
    }
}

async fn open(database: &Database) -> Result<Site, BoxError> {
    Site::open(&std::env::current_exe()?, database.url()).await
}

async fn upgrade_and_back(screen: Screen, site: &mut Site, client: &Client) -> Result<(), BoxError> {
    screen.heading("Release 2: three more boot at once, one migrates; then the old ones are told to end");
    say(screen, &site.replace(Release::Two).await?);
    counted(screen, site, client).await?;

    screen.heading("Back to release 1, replica by replica: an older program on a newer database");
    say(screen, &site.roll(Release::One).await?);

    screen.heading("Release 2 again, replica by replica: there is nothing to do");
    say(screen, &site.roll(Release::Two).await?);
    let uncounted = "SELECT count(*) FROM utterances WHERE words < 0";
    let uncounted: i64 = client.query_one(uncounted, &[]).await?.try_get(0)?;
    screen.fact("words not counted", format!("{uncounted} utterances, which release 1 has written since"));

    screen.heading("Release 3: counts them, and takes away what only release 1 has needed");
    say(screen, &site.replace(Release::Three).await?);
    let column =
        "SELECT attnotnull FROM pg_attribute WHERE attrelid = 'utterances'::regclass AND attname = 'words'";
    screen.fact("words are NOT NULL", client.query_one(column, &[]).await?.try_get::<_, bool>(0)?);
    Ok(())
}

/// Waits until the words of all that was there are counted, in the background of a replica that is ready.
async fn counted(screen: Screen, site: &Site, client: &Client) -> Result<(), BoxError> {
    let began = Instant::now();
    let replica = site.replicas().first().ok_or("there is no replica")?;
    loop {
        let told = replica.migrations().await?;
        let backfill = &told["backfills"][0];
        if backfill["state"] == "finished" {
            screen.fact("backfill", format!("{} rows, in the background", backfill["done"]));
            break;
        }
        if began.elapsed() > PATIENCE {
            return Err(format!("the backfill does not end: {backfill}").into());
        }
        sleep(Duration::from_millis(50)).await;
    }
    let status: i64 = client.query_one("SELECT count(*) FROM utterances", &[]).await?.try_get(0)?;
    screen.aside(format!("of {status} utterances by now"));
    Ok(())
}

fn say(screen: Screen, started: &[Started]) {
    started.iter().for_each(|replica| screen.say(replica));
}
