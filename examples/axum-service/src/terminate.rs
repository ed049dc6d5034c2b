//! `terminate`: replicas that are told to end at random moments.

use std::time::Duration;

use axum_service::Release;
use axum_service::fleet::{Copies, Process, Termination};
use dunlin::BoxError;
use dunlin_test::Server;
use fastrand::Rng;

use crate::screen::Screen;

pub(crate) async fn terminate(screen: Screen, times: u32, seed: u64, rows: u64) -> Result<(), BoxError> {
    let server = Server::start().await?;
    screen.say(&server);
    let program = std::env::current_exe()?;
    let copies = Copies::of(&server, rows).await?;

    let database = copies.make().await?;
    let replica = Process::start(&program, Release::Two, "whole", &database.url()).await?;
    // Half as long again: its backfill goes on when it is ready.
    let span = replica.ready(Duration::from_secs(600)).await? * 3 / 2;
    replica.stop().await?;
    database.drop().await?;
    screen
        .heading(&format!("{times} replicas, each told to end within {} ms of its start", span.as_millis()));

    let (mut random, mut longest) = (Rng::with_seed(seed), Duration::ZERO);
    for number in 1..=times {
        let database = copies.make().await?;
        let moment = span.mul_f64(random.f64());
        let termination = Termination::at(moment, &program, &database).await;
        let termination = termination.map_err(|error| format!("time {number} of seed {seed}: {error}"))?;
        screen.say(format!("{number:>3}: {termination}"));
        longest = longest.max(termination.took);
        database.drop().await?;
    }
    screen.fact("longest to end", format!("{} ms", longest.as_millis()));
    server.stop().await?;
    Ok(())
}
