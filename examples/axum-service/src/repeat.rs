//! `repeat`: the upgrade from release 1 to release 2, again and again on copies of one database.

#![expect(clippy::indexing_slicing, reason = "what JSON does not have is null")]

use std::time::{Duration, Instant};

use axum_service::Release;
use axum_service::fleet::{Copies, Load, Process, Site, Started};
use dunlin::BoxError;
use dunlin_test::Server;
use tokio::time::sleep;

use crate::screen::Screen;

pub(crate) async fn repeat(screen: Screen, times: u32, rows: u64, kill: bool) -> Result<(), BoxError> {
    let server = Server::start().await?;
    screen.say(&server);
    let began = Instant::now();
    let copies = Copies::of(&server, rows).await?;
    screen.aside(format!("{rows} utterances, written in {:.0?}", began.elapsed()));

    let mut failed = 0;
    for number in 1..=times {
        let kill = kill && number % 2 == 0;
        screen.heading(&format!("{number} of {times}{}", if kill { ", with a kill -9" } else { "" }));
        let database = copies.make().await?;
        let mut site = Site::open(&std::env::current_exe()?, database.url()).await?;
        site.replace(Release::One).await?;
        let load = Load::start(&site.url());
        let upgraded = upgrade(screen, &mut site, kill).await;
        let tally = load.stop().await;
        screen.say(&tally);
        failed += tally.failed();
        upgraded?;
        site.close().await?;
        database.drop().await?;
    }
    screen.heading("All in all");
    screen.fact("failed requests", failed);
    server.stop().await?;
    if failed == 0 { Ok(()) } else { Err("requests have failed".into()) }
}

async fn upgrade(screen: Screen, site: &mut Site, kill: bool) -> Result<(), BoxError> {
    let mut new = site.start(Release::Two).await?;
    if kill {
        match builds(&new).await? {
            None => screen.aside("nobody is killed: with so few rows the index was there before"),
            Some(place) => {
                let victim = new.remove(place);
                let live_after = victim.live_after().as_millis();
                screen.say(format!(
                    "replica {} is killed, which has been live after {live_after} ms and builds the index",
                    victim.name()
                ));
                victim.kill().await?;
            }
        }
    }
    let started = site.take_over(new).await?;
    started.iter().for_each(|replica| screen.say(replica));
    let (first, last) = (started.iter().map(ready).min(), started.iter().map(ready).max());
    let apart = last.unwrap_or_default().saturating_sub(first.unwrap_or_default());
    screen.fact("ready apart", format!("{} ms", apart.as_millis()));
    Ok(())
}

fn ready(started: &Started) -> Duration {
    started.ready_after
}

/// Waits until one of them builds the index, and says which; nothing if they are ready before that was seen. It asks nobody but the replicas, which answer at once.
async fn builds(replicas: &[Process]) -> Result<Option<usize>, BoxError> {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(60) {
        let mut ready = 0;
        for (place, replica) in replicas.iter().enumerate() {
            let told = replica.get("/livez").await?.1;
            ready += usize::from(told["ready"] == true);
            if told["reason"].as_str().is_some_and(|reason| reason.contains("search_in_english")) {
                return Ok(Some(place));
            }
        }
        if ready == replicas.len() {
            return Ok(None);
        }
        sleep(Duration::from_millis(1)).await;
    }
    Err("nobody builds an index".into())
}
