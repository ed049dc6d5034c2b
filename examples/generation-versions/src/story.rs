//! The whole story, on a PostgreSQL and in a folder of its own.

use std::{collections::BTreeMap, error::Error, path::Path, process::ExitCode};

use dunlin::{BoxError, Progress, Target};
use dunlin_test::{Database, Server};
use generation_versions::{
    Checks, OldProgram, Orphans, Preflight, Rollback, Seed, Storage, compare, migrator, roll_back, sweep,
};
use serde_json::json;
use tokio::{sync::watch, task::JoinSet};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use crate::{bar::Bar, commands::with_bar, screen::Screen};

type Outcome = Result<(), BoxError>;

/// How many generations the old program creates while it is migrated.
const MEANWHILE: u128 = 100;
/// The project that is looked at more closely.
const PROJECT: &str = "atlas-0";

pub(crate) async fn tell(screen: Screen, seed: Seed) -> Result<ExitCode, BoxError> {
    screen.heading("A PostgreSQL and a folder to try it on");
    let server = Server::builder().on_progress(move |step| screen.aside(step)).start().await?;
    screen.say(&server);
    let database = server.create_database().await?;
    let client = database.connect().await?;
    let folder = tempfile::tempdir()?;
    let storage = Storage::open(folder.path())?;
    screen.say(format!("storage root {}", storage.root().display()));

    screen.heading("What the old program has left");
    let old = migrator(&storage, Orphans::Refuse);
    dunlin::migrate_to(&database.config(), NoTls, &old, Target::Version(1)).await?;
    seed.sow(&client, storage.root()).await?;
    let before = files(storage.root())?;
    screen.fact("projects", seed.projects);
    screen.fact("generations", seed.generations);
    screen.fact("flat files", before.len());

    screen.heading("Preflight: orphans are found before anything is migrated");
    let preflight = Preflight::look(&client, &storage).await?;
    screen.say(&preflight);
    if preflight.orphans > 0 {
        match dunlin::migrate(&database.config(), NoTls, &old).await {
            Err(error) => {
                screen.say(format!("refused: {error}"));
                error.source().iter().for_each(|cause| screen.say(format!("because: {cause}")));
            }
            Ok(report) => return Err(format!("this should have been refused: {report}").into()),
        }
    }

    screen.heading(&format!("Migrate, while the old program creates {MEANWHILE} generations"));
    migrate_meanwhile(screen, &database, &storage).await?;
    verify(screen, &client, &storage).await?;

    screen.heading("Two versions of a project");
    screen.say(compare(&storage, PROJECT, (1, 2))?);
    some_of(screen, storage.root())?;

    there_and_back(screen, &database, &client, &storage, &before).await?;
    drop(client);
    database.drop().await?;
    server.stop().await?;
    Ok(ExitCode::SUCCESS)
}

/// A third of the writers begin when orphans are archived, a third when rows are numbered, a third when files move.
async fn migrate_meanwhile(screen: Screen, database: &Database, storage: &Storage) -> Outcome {
    let (now, later) = watch::channel(0_i64);
    let mut writers = JoinSet::new();
    for (number, moment) in (0..MEANWHILE).zip([3, 6, 9].into_iter().cycle()) {
        let (program, client) = (OldProgram::new(storage.root()), database.connect().await?);
        let mut later = later.clone();
        writers.spawn(async move {
            let _ = later.wait_for(|now| *now >= moment).await;
            let files = [(".html".to_owned(), format!("<html>{number}</html>\n"))];
            let parameters = json!({ "number": u64::try_from(number).unwrap_or_default() });
            program.generate(&client, meanwhile(number), PROJECT, "Meanwhile.", &parameters, &files).await
        });
    }
    let bar = Bar::new();
    let migrator = migrator(storage, Orphans::Archive).on_progress(move |progress| {
        bar.show(progress);
        if let Progress::Started { id, .. } = progress {
            now.send_replace(id.version());
        }
    });
    screen.say(dunlin::migrate(&database.config(), NoTls, &migrator).await?);
    // Nobody waits for what will not come.
    drop(migrator);
    for written in writers.join_all().await {
        written?;
    }
    let client = database.connect().await?;
    screen.aside(format!("swept once more: {}", sweep(&storage.hold()?, &client, &|_, _| ()).await?));
    Ok(())
}

fn meanwhile(number: u128) -> Uuid {
    Uuid::from_u128(0xa000_0000_0000_4000_8000_0000_0000_0000 + number)
}

async fn verify(screen: Screen, client: &Client, storage: &Storage) -> Outcome {
    screen.heading("Verify: every row and every file");
    let checks = Checks::run(client, storage).await?;
    screen.say(&checks);
    if checks.pass() { Ok(()) } else { Err("something is not as it should be".into()) }
}

/// Back in three ways, and up again after each.
async fn there_and_back(
    screen: Screen,
    database: &Database,
    client: &Client,
    storage: &Storage,
    before: &BTreeMap<String, Vec<u8>>,
) -> Outcome {
    let config = database.config();
    for (rollback, title) in [
        (Rollback::Files, "Back: the files alone"),
        (Rollback::Database, "Back: the database alone"),
        (Rollback::Both, "Back: both"),
    ] {
        screen.heading(title);
        screen.say(first_line(&roll_back(&config, storage, rollback, with_bar).await?));
        let flat = files(storage.root())?;
        let unchanged = before.iter().filter(|(name, bytes)| flat.get(*name) == Some(bytes)).count();
        screen.fact("flat as before", format!("{unchanged} of {} files", before.len()));
        screen.fact("in folders", flat.keys().filter(|name| name.starts_with("projects/")).count());
        let up = with_bar(migrator(storage, Orphans::Archive));
        screen.say(first_line(&dunlin::migrate(&config, NoTls, &up).await?.to_string()));
    }
    verify(screen, client, storage).await
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// Names and contents of all that lies under a folder.
fn files(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>, BoxError> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next)? {
            let path = entry?.path();
            if path.is_symlink() {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder)?.to_string_lossy().into_owned();
                found.insert(name, std::fs::read(&path)?);
            }
        }
    }
    Ok(found)
}

/// The first lines of what the storage root looks like now.
fn some_of(screen: Screen, root: &Path) -> Outcome {
    let project = root.join("projects").join(PROJECT);
    let active = std::fs::read_link(project.join("active"))?;
    screen.aside(format!("projects/{PROJECT}/active -> {}", active.display()));
    for name in std::fs::read_dir(project.join(&active))? {
        screen.aside(format!(
            "projects/{PROJECT}/{}/{}",
            active.display(),
            name?.file_name().to_string_lossy()
        ));
    }
    Ok(())
}
