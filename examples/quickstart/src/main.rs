//! dunlin in one command: `cargo run -p quickstart`.
//!
//! It starts a PostgreSQL of its own and shows on it what a service, its operators and its replicas see. What a service
//! needs of all this are three lines: `embed!` the folder, make a [`Migrator`], and [`dunlin::migrate`] on boot.

mod screen;

use std::{error::Error, process::ExitCode, time::Instant};

use dunlin::{Direct, MigrationSet, Migrator, Progress, Target};
use dunlin_test::Server;
use tokio::task::JoinSet;
use tokio_postgres::NoTls;

use crate::screen::Screen;

const REPLICAS: usize = 50;

/// The folder `migrations` next to Cargo.toml, read and checked when this program is compiled.
fn migrations() -> MigrationSet {
    dunlin::embed!("migrations")
}

#[tokio::main]
async fn main() -> ExitCode {
    match quickstart(Screen::new()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&*error);
            ExitCode::FAILURE
        }
    }
}

async fn quickstart(screen: Screen) -> Result<(), Box<dyn Error>> {
    screen.heading("A PostgreSQL to try it on");
    let began = Instant::now();
    let server = Server::builder().on_progress(move |step| screen.aside(step)).start().await?;
    screen.say(&server);
    screen.aside(format!("ready after {:.1?}; nothing of this outlives the program", began.elapsed()));

    one_service(screen, &server).await?;
    a_lost_connection(screen, &server).await?;
    many_replicas(screen, &server).await?;

    server.stop().await?;
    Ok(())
}

/// What one service and its operators do.
async fn one_service(screen: Screen, server: &Server) -> Result<(), Box<dyn Error>> {
    let database = server.create_database().await?;
    let config = database.config();
    let migrator = Migrator::new(migrations()).application("quickstart 0.1.0");

    screen.heading("Plan: what a boot would do, without doing it");
    let mut client = database.connect().await?;
    screen.say(migrator.plan(&client, Target::Latest).await?);

    screen.heading("First boot");
    screen.say(dunlin::migrate(&config, NoTls, &migrator).await?);

    screen.heading("Status");
    screen.say(migrator.status(&client).await?);

    screen.heading("Second boot: one flight to the server and back");
    // On an open connection that is all; `dunlin::migrate` would open one first.
    screen.say(migrator.run(&mut client, Target::Latest).await?);

    screen.heading("Verify: is the database still what the migrations made of it?");
    screen.say(migrator.verify(&mut client).await?);

    screen.heading("One back, and up again");
    screen.say(migrator.run(&mut client, Target::Relative(-1)).await?);
    screen.say(migrator.run(&mut client, Target::Latest).await?);

    drop(client);
    database.drop().await?;
    Ok(())
}

/// The backend dies in the middle of a migration; then what an operator asks when something is odd.
async fn a_lost_connection(screen: Screen, server: &Server) -> Result<(), Box<dyn Error>> {
    screen.heading("A boot whose connection is lost half way");
    let database = server.create_database().await?;
    let config = database.config();
    let client = database.connect().await?;
    client.batch_execute("CREATE SEQUENCE tries").await?;
    let dies_once = "SELECT CASE WHEN nextval('tries') = 1 THEN pg_terminate_backend(pg_backend_pid()) END";
    let set = MigrationSet::builder()
        .sql(1, "create_birds", "CREATE TABLE birds (id bigint PRIMARY KEY)")
        .sql(2, "dies_the_first_time", format!("CREATE TABLE nests (id bigint PRIMARY KEY); {dies_once}"))
        .sql(3, "create_eggs", "CREATE TABLE eggs (id bigint PRIMARY KEY)")
        .build()?;
    let migrator = Migrator::new(set).on_progress(move |progress| match progress {
        Progress::Reconnecting { .. } => {
            screen.aside("the connection is gone: connecting again, reading what was done")
        }
        Progress::Finished { id, .. } => screen.aside(format!("{id} is done")),
        _ => {}
    });
    screen.say(dunlin::migrate(&config, NoTls, &migrator).await?);

    screen.heading("Diagnosis: what stands around a run");
    screen.say(migrator.diagnose(&Direct::new(config, NoTls)).await?);
    drop(client);
    database.drop().await?;
    Ok(())
}

/// Many replicas of a service that boot at the same moment on a database that nobody has migrated yet.
async fn many_replicas(screen: Screen, server: &Server) -> Result<(), Box<dyn Error>> {
    screen.heading(&format!("{REPLICAS} replicas boot at once on a fresh database"));
    let database = server.create_database().await?;
    let config = database.config();
    let migrator = Migrator::new(migrations());

    let began = Instant::now();
    let mut replicas = JoinSet::new();
    for _ in 0..REPLICAS {
        let (config, migrator) = (config.clone(), migrator.clone());
        replicas.spawn(async move { dunlin::migrate(&config, NoTls, &migrator).await });
    }
    let (mut applied, mut found_done, mut errors) = (0, 0, Vec::new());
    for outcome in replicas.join_all().await {
        match outcome {
            Ok(report) if report.applied().count() > 0 => applied += 1,
            Ok(_) => found_done += 1,
            Err(error) => errors.push(error),
        }
    }
    let took = began.elapsed();

    let client = database.connect().await?;
    let status = migrator.status(&client).await?;
    screen.fact("applied the migrations", applied);
    screen.fact("found them applied", found_done);
    screen.fact("errors", errors.len());
    let rows = status.records().len();
    screen.fact("rows in the history", format!("{rows} for {} migrations", migrator.set().len()));
    screen.fact("first start to last end", format!("{took:.0?}"));
    drop(client);
    database.drop().await?;

    match errors.into_iter().next() {
        Some(first) => Err(first.into()),
        None => Ok(()),
    }
}

/// An error and its causes, for people.
#[allow(clippy::print_stderr, reason = "this is the last thing that the program says")]
fn complain(error: &dyn Error) {
    eprintln!("\nerror: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
}
