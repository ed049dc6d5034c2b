//! One command on the database of `DATABASE_URL`.

use std::env;

use dunlin::{BoxError, Direct, State, Target};
use dunlin_backfill::{Backfills, Sample};
use temporal_periods::period_zero::{Topics, Users};
use temporal_periods::{Checks, OLD_SCHEMA, Survey, TABLES_AND_VIEWS, Trend, migrator, preflight};
use tokio_postgres::{Client, Config, NoTls};

use crate::bar::Bar;
use crate::command::{Amount, Command};
use crate::screen::Screen;

type Outcome = Result<(), BoxError>;

pub(crate) async fn run(screen: Screen, command: Command) -> Outcome {
    let url = env::var("DATABASE_URL").map_err(|_| "set DATABASE_URL to the database that this is about")?;
    let config: Config =
        url.parse().map_err(|error| format!("DATABASE_URL is not a connection string: {error}"))?;
    let (mut client, connection) = config.connect(NoTls).await?;
    let connection = tokio::spawn(connection);
    match command {
        // Has a database of its own, and is done elsewhere.
        Command::Run(_) => {}
        Command::Generate(amount) => generate(screen, &config, &mut client, amount).await?,
        Command::DryRun => {
            preflight(&client).await?;
            migrate(screen, &config, TABLES_AND_VIEWS).await?;
            dry_run(screen, &config, &client).await?;
        }
        Command::Migrate => {
            preflight(&client).await?;
            migrate(screen, &config, Target::Latest).await?;
        }
        Command::Status => status(screen, &config, &client).await?,
        Command::Verify => {
            require_all(&client).await?;
            verify(screen, &mut client).await?;
        }
        Command::Refresh => {
            require_all(&client).await?;
            screen.fact("refreshed", Trend::refresh(&client).await?);
            screen.fact("rows", Trend::rows(&client).await?);
        }
        Command::Rollback => migrate(screen, &config, OLD_SCHEMA).await?,
    }
    drop(client);
    Ok(connection.await??)
}

/// Makes the old schema, and fills it.
pub(crate) async fn generate(
    screen: Screen,
    config: &Config,
    client: &mut Client,
    amount: Amount,
) -> Outcome {
    dunlin::migrate_to(config, NoTls, &migrator(), OLD_SCHEMA).await?;
    let there = Survey::read(client).await?.contents;
    if there > 0 {
        return Err(format!("the database has {there} contents already: generate into an empty one").into());
    }
    let bar = Bar::new(screen);
    bar.begin("generating");
    amount.generator().fill(client, |done| bar.advance(done, amount.contents())).await?;
    bar.clear();
    screen.say(Survey::read(client).await?);
    Ok(())
}

/// Goes there, with a bar.
pub(crate) async fn migrate(screen: Screen, config: &Config, target: Target) -> Outcome {
    let bar = Bar::new(screen);
    let report = dunlin::migrate_to(config, NoTls, &bar.follow(migrator()), target).await;
    bar.clear();
    screen.say(report?);
    Ok(())
}

/// Tries each part of the backfill that does not need another one before it.
pub(crate) async fn dry_run(screen: Screen, config: &Config, client: &Client) -> Outcome {
    let backfills = backfills(config);
    screen.say(backfills.dry_run("period_zero:topics", &Topics, Sample::All).await?);
    screen.say(backfills.dry_run("period_zero:users", &Users, Sample::All).await?);
    let Survey { contents, contents_of_nobody, .. } = Survey::read(client).await?;
    let linked = contents - contents_of_nobody;
    screen.say(format!(
        "then {linked} contents would be linked, and {contents_of_nobody} of nobody stay as they are"
    ));
    Ok(())
}

async fn status(screen: Screen, config: &Config, client: &Client) -> Outcome {
    screen.say(migrator().status(client).await?);
    for status in backfills(config).status().await? {
        screen.say(status);
    }
    Ok(())
}

/// Fails as long as there is something to migrate.
async fn require_all(client: &Client) -> Outcome {
    match migrator().status(client).await?.state() {
        State::Current => Ok(()),
        state => Err(format!("the database is {state}: migrate first").into()),
    }
}

/// What the migrations verify, and what is counted.
pub(crate) async fn verify(screen: Screen, client: &mut Client) -> Outcome {
    screen.say(migrator().verify(client).await?);
    let checks = Checks::run(client).await?;
    screen.say(&checks);
    match checks.failed().count() {
        0 => Ok(()),
        failed => Err(format!("{failed} of {} checks have failed", checks.all().len()).into()),
    }
}

fn backfills(config: &Config) -> Backfills {
    Backfills::new(migrator(), Direct::new(config.clone(), NoTls))
}
