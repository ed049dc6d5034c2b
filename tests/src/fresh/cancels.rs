//! The future of a fresh database that is dropped.

use std::{
    collections::BTreeSet,
    fmt,
    time::{Duration, Instant},
};

use dunlin::BoxError;
use dunlin_test::{Server, TestDatabase, TestDatabaseBuilder};
use tokio_postgres::Client;

use crate::{
    faults::{DropAt, Dropped, Moment, Part},
    fresh::{ground::connect, report::Report, scene},
};

/// How many databases may be taken until one comes that was there.
const TAKEN: usize = 24;

/// Drops the future of a fresh database at each poll, at once, when what it has sent is on its way and when it would be polled
/// again: of the first one, for which the template is built, and of one that others have used. Afterwards databases are to be
/// had, and every one that there is is handed out.
///
/// # Errors
/// When there is no server, or a run in peace does not do what it should.
pub async fn cancels(part: Part) -> Result<Report, BoxError> {
    let mut report = Report::new("cancels");
    let began = Instant::now();
    let server = Server::builder().setting("cluster_name", "fresh: cancels").start().await?;
    let mut points = Vec::new();
    for state in [State::Cold, State::Warm] {
        let scene = Scene::open(&server, state, format!("{state:?}")).await?;
        let (polls, database) = DropAt::count(scene.builder.clone().create()).await;
        database?;
        for poll in 1..=polls + 2 {
            points.extend(Moment::ALL.map(|moment| (state, DropAt { poll, moment })));
        }
    }
    for (number, (state, place)) in part.of(points) {
        let outcome = try_out(&server, state, place, number, &mut report).await;
        report.note(format_args!("point {number}, {state:?}, {place}"), outcome);
    }
    server.stop().await?;
    report.took = began.elapsed();
    Ok(report)
}

/// What there was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Not even a template.
    Cold,
    /// Databases that were used.
    Warm,
}

async fn try_out(
    server: &Server,
    state: State,
    place: DropAt,
    number: usize,
    report: &mut Report,
) -> Result<Duration, BoxError> {
    let Scene { builder, witness, held: others } = Scene::open(server, state, format!("{number}")).await?;
    match place.run(builder.clone().create()).await {
        Ok(database) => drop(database?),
        Err(Dropped) => report.struck += 1,
    }
    let (database, client) = fresh(&builder).await?;
    let mut there = databases(&witness, database.name()).await?;
    let mut handed: BTreeSet<_> = others.iter().map(|(database, _)| database.name().to_owned()).collect();
    handed.insert(database.name().to_owned());
    let mut held = vec![(database, client)];
    let began = Instant::now();
    while !there.is_subset(&handed) {
        let left: Vec<_> = there.difference(&handed).collect();
        if held.len() >= TAKEN {
            return Err(format!("of {} databases nobody gets {left:?}", there.len()).into());
        }
        let (database, client) = fresh(&builder).await?;
        if !handed.insert(database.name().to_owned()) {
            return Err(format!("{} is handed out twice", database.name()).into());
        }
        held.push((database, client));
        // Those that can't be used again are dropped meanwhile.
        let now = databases(&witness, held.first().map_or("", |(database, _)| database.name())).await?;
        there.retain(|name| now.contains(name));
    }
    report.databases += held.len();
    Ok(began.elapsed())
}

async fn fresh(builder: &TestDatabaseBuilder) -> Result<(TestDatabase, Client), BoxError> {
    let database = builder.clone().create().await?;
    let client = database.connect().await?;
    scene::look(&client).await?;
    Ok((database, client))
}

/// A template of its own.
struct Scene {
    builder: TestDatabaseBuilder,
    witness: Client,
    /// Databases that others have all the while.
    held: Vec<(TestDatabase, Client)>,
}

/// What is done to the databases of a warm scene: the next one to come back can't be used again, the one behind it has to get rows
/// of the template back.
const USES: [&str; 4] = ["SELECT 1", "TRUNCATE log", "DELETE FROM kinds", "DELETE FROM birds"];

impl Scene {
    async fn open(server: &Server, state: State, name: String) -> Result<Self, BoxError> {
        let witness = connect(&server.config()).await?;
        let builder = TestDatabase::builder(&scene::set()).server(server).fixture(name, "SELECT 1");
        let mut held = Vec::new();
        if state == State::Warm {
            let mut used = Vec::new();
            for sql in USES {
                let (database, client) = fresh(&builder).await?;
                client.batch_execute(sql).await?;
                used.push((database, client));
            }
            let names: Vec<_> = used.iter().map(|(database, _)| database.name().to_owned()).collect();
            drop(used);
            // Those that nobody has used come first. Behind the first of the used ones there are the others.
            while held
                .last()
                .is_none_or(|(last, _): &(TestDatabase, _)| !names.iter().any(|name| name == last.name()))
            {
                if held.len() >= TAKEN {
                    return Err("none comes back".into());
                }
                held.push(fresh(&builder).await?);
            }
        }
        Ok(Self { builder, witness, held })
    }
}

/// The databases with the template of this one.
async fn databases(witness: &Client, name: &str) -> Result<BTreeSet<String>, BoxError> {
    let (prefix, _) = name.rsplit_once('_').ok_or("a name without a number")?;
    let sql = "SELECT datname::text FROM pg_database WHERE starts_with(datname, $1)";
    Ok(witness.query(sql, &[&prefix]).await?.iter().map(|row| row.get(0)).collect())
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
