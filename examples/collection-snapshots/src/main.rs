//! `cargo run -p collection-snapshots` shows the migration and the workflow that it is for, on a PostgreSQL of its own.
//! With a command it does one thing to the database of `DATABASE_URL`: see [`USAGE`].

mod screen;

use std::{env, error::Error, process::ExitCode};

use collection_snapshots::{Group, Legacy, Table, generate_episode, migrator, start_building, stats};
use dunlin::{BoxError, ErrorKind, Target};
use dunlin_test::{Database, Server};
use tokio_postgres::{Config, NoTls};
use uuid::Uuid;

use crate::screen::Screen;

type Outcome = Result<(), BoxError>;

const USAGE: &str = "usage: collection-snapshots [command]
without a command     the whole demonstration, on databases of its own
migrate               boots: brings the database of DATABASE_URL up to date
down                  takes the last migration back
stats                 counts the collections by status
build <group> <name>  starts the collection of a group (a UUID)
generate <group> <title>
                      generates an episode from what the group is building";

/// A group that has been building nothing so far.
const GROUP: Group = Group(Uuid::from_u128(0xa000_0000_0000_4000_8000_0000_0000_0009));

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        [] => demonstrate(Screen::new()).await,
        command => operate(Screen::new(), command).await,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&*error);
            ExitCode::FAILURE
        }
    }
}

/// One command on the database of `DATABASE_URL`.
async fn operate(screen: Screen, command: &[&str]) -> Outcome {
    if !matches!(command, ["migrate" | "down" | "stats"] | ["build" | "generate", _, _]) {
        return Err(USAGE.into());
    }
    let url = env::var("DATABASE_URL").map_err(|_| "set DATABASE_URL to the database that this is about")?;
    let config: Config =
        url.parse().map_err(|error| format!("DATABASE_URL is not a connection string: {error}"))?;
    match command {
        ["migrate"] => {
            screen.say(dunlin::migrate(&config, NoTls, &migrator()).await?);
            return Ok(());
        }
        ["down"] => {
            screen.say(dunlin::migrate_to(&config, NoTls, &migrator(), Target::Relative(-1)).await?);
            return Ok(());
        }
        _ => {}
    }
    let (mut client, connection) = config.connect(NoTls).await?;
    let connection = tokio::spawn(connection);
    match command {
        ["build", group, name] => {
            screen.say(start_building(&client, Group(group.parse()?), name).await?);
        }
        ["generate", group, title] => {
            let made = generate_episode(&mut client, Group(group.parse()?), title).await?;
            let made = made.ok_or("the group is not building anything: start with `build`")?;
            screen.fact("episode", made.episode);
            screen.fact("snapshot", made.snapshot);
            screen.fact("building", made.building);
        }
        _ => screen.say(stats(&client).await?),
    }
    drop(client);
    connection.await??;
    Ok(())
}

async fn demonstrate(screen: Screen) -> Outcome {
    screen.heading("A PostgreSQL to try it on");
    let server = Server::builder().on_progress(move |step| screen.aside(step)).start().await?;
    screen.say(&server);

    let fresh = server.create_database().await?;
    let model = boot(screen, &fresh, Legacy::Fresh, "A fresh database").await?;
    for (legacy, title) in [
        (Legacy::Statements(0), "An old database, as the shell script left it"),
        (Legacy::Statements(1), "An old database where somebody began to run the snapshot script by hand"),
        (Legacy::Statements(Legacy::STATEMENTS), "An old database where somebody ran all of that script"),
    ] {
        let database = server.create_database().await?;
        let table = boot(screen, &database, legacy, title).await?;
        screen.fact("definition", same(&table.definition, &model.definition, "the fresh database's")?);
        database.drop().await?;
    }

    draft(screen, &server).await?;
    there_and_back(screen, &server).await?;
    workflow(screen, &server).await?;
    fresh.drop().await?;
    server.stop().await?;
    Ok(())
}

/// Boots on a database, whatever the shell script has done to it, and looks at what that did.
async fn boot(screen: Screen, database: &Database, legacy: Legacy, title: &str) -> Result<Table, BoxError> {
    screen.heading(title);
    let mut client = database.connect().await?;
    legacy.prepare(&client).await?;
    let before = match legacy {
        Legacy::Fresh => None,
        _ => Some(Table::ready_rows(database).await?),
    };
    screen.say(dunlin::migrate(&database.config(), NoTls, &migrator()).await?);
    screen.fact("verify", migrator().verify(&mut client).await?);
    if let Some(before) = before {
        let count = before.iter().filter(|byte| **byte == b'\n').count();
        let untouched = same(&Table::ready_rows(database).await?, &before, "before, byte for byte")?;
        screen.fact("ready rows", format!("{count}, {untouched}"));
    }
    Table::read(database).await
}

/// Boots where somebody ran a draft of the script, with other types: the verify script says so, and nothing changes.
async fn draft(screen: Screen, server: &Server) -> Outcome {
    screen.heading("An old database where somebody ran a draft of the script, with text for uuid");
    let database = server.create_database().await?;
    let client = database.connect().await?;
    Legacy::Draft.prepare(&client).await?;
    let before = Table::read(&database).await?;
    match dunlin::migrate(&database.config(), NoTls, &migrator()).await {
        Err(error) if error.kind() == ErrorKind::Verify => screen.say(format!("refused: {error}")),
        Err(error) => return Err(error.into()),
        Ok(report) => return Err(format!("this should have been refused: {report}").into()),
    }
    screen.fact("table", same(&Table::read(&database).await?, &before, "before, byte for byte")?);
    screen.say(migrator().status(&client).await?);
    drop(client);
    database.drop().await?;
    Ok(())
}

/// Up and down again.
async fn there_and_back(screen: Screen, server: &Server) -> Outcome {
    screen.heading("Up, and down again");
    let database = server.create_database().await?;
    let mut client = database.connect().await?;
    Legacy::Statements(0).prepare(&client).await?;
    let before = Table::read(&database).await?;
    dunlin::migrate(&database.config(), NoTls, &migrator()).await?;
    screen.say(migrator().run(&mut client, Target::Relative(-1)).await?);
    let after = Table::read(&database).await?;
    screen.fact("definition", same(&after.definition, &before.definition, "before, byte for byte")?);
    screen.fact("rows", same(&after.rows, &before.rows, "before, byte for byte")?);
    drop(client);
    database.drop().await?;
    Ok(())
}

/// What the migration is for.
async fn workflow(screen: Screen, server: &Server) -> Outcome {
    screen.heading("The workflow: a collection is built, and every episode keeps a snapshot of it");
    let database = server.create_database().await?;
    let mut client = database.connect().await?;
    Legacy::Statements(0).prepare(&client).await?;
    dunlin::migrate(&database.config(), NoTls, &migrator()).await?;

    screen.fact("building", start_building(&client, GROUP, "Estuaries").await?);
    for title in ["Low tide", "High tide"] {
        let made = generate_episode(&mut client, GROUP, title).await?.ok_or("nothing is being built")?;
        screen.say(format!("episode `{title}` is generated"));
        screen.fact("  snapshot", format!("{} of episode {}", made.snapshot, made.episode));
        screen.fact("  building", format!("{} from there on", made.building));
    }
    screen.heading("Stats");
    screen.say(stats(&client).await?);

    screen.heading("Down, now that there are snapshots to lose");
    match migrator().run(&mut client, Target::Relative(-1)).await {
        Err(error) if error.kind() == ErrorKind::Migration => screen.say(format!("refused: {error}")),
        Err(error) => return Err(error.into()),
        Ok(report) => return Err(format!("this should have been refused: {report}").into()),
    }
    drop(client);
    database.drop().await?;
    Ok(())
}

/// Says that both are the same, or fails.
fn same<T: PartialEq + ?Sized>(now: &T, then: &T, which: &str) -> Result<String, BoxError> {
    if now == then {
        Ok(format!("the same as {which}"))
    } else {
        Err(format!("not the same as {which}").into())
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
