//! What an application notices of a migration that waits for a table behind a long transaction.

use std::time::{Duration, Instant};

use dunlin::{MigrationSet, Migrator};
use tokio::sync::oneshot;
use tokio_postgres::{Client, NoTls};

use crate::arena::{Arena, rotated, within};
use crate::table::Row;
use crate::traffic::Traffic;
use crate::{Failure, Options, Place, Table};

/// The design's target: no statement of the application takes longer.
const TARGET: Duration = Duration::from_millis(250);

const ALTER: &str = "ALTER TABLE flock ADD COLUMN counted_by text";

/// Who alters the table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Nobody: what the machine and the reader do to the application by themselves.
    Nobody,
    /// An `ALTER TABLE` that waits as long as it takes.
    Plain,
    Dunlin,
}

pub(crate) async fn measure(
    arena: &Arena,
    options: &Options,
    table: &mut Table,
    notes: &mut Vec<String>,
) -> Result<(), Failure> {
    let reading = Duration::from_secs(if options.is_quick() { 2 } else { 8 });
    let mut ways = [Way::Nobody, Way::Plain, Way::Dunlin].map(|way| (way, Vec::new()));
    for round in 0..options.rounds(3) {
        for index in rotated(ways.len(), round) {
            if let Some((way, outcomes)) = ways.get_mut(index) {
                outcomes.push(way.round(arena, reading).await?);
            }
        }
    }
    let stalls = ways.iter().map(|(way, outcomes)| Row {
        contestant: format!("{}, longest stall{}", way.name(), tries(outcomes)),
        time: Some(longest(outcomes)),
        limit: (*way == Way::Dunlin).then_some(TARGET),
        ..Row::default()
    });
    let delays = ways.iter().filter(|(way, _)| *way != Way::Nobody).map(|(way, outcomes)| Row {
        contestant: format!("{}, done after the reader", way.name()),
        time: outcomes.iter().map(|outcome| outcome.delay).max(),
        ..Row::default()
    });
    table.push(&format!("an `ALTER TABLE` behind a reader of {} s", reading.as_secs()), stalls.chain(delays));
    notes.push(format!(
        "Stall: 8 clients read and write the table that is altered; the longest time that one of their statements took while the \
         migration was under way, the worst of {} round(s). A plain `ALTER TABLE` \
         waits without a `lock_timeout`. Tries: in each round. Nobody: the same reader without a migration.",
        options.rounds(3)
    ));
    Ok(())
}

/// What a round has shown.
struct Outcome {
    stall: Duration,
    tries: u32,
    /// From the reader's end to the migration's.
    delay: Duration,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Plain => "plain `ALTER TABLE`",
            Self::Dunlin => "**dunlin**",
        }
    }

    async fn round(self, arena: &Arena, reading: Duration) -> Result<Outcome, Failure> {
        let database = arena.database().await?;
        let place = Place::socket(&database);
        let set = || MigrationSet::builder().sql(1, "create_flock", Traffic::TABLE);
        // The table and the history are there before: what is measured is the alteration alone.
        dunlin::migrate(place.config(), NoTls, &Migrator::new(set().build()?)).await?;
        let migrator = Migrator::new(set().sql(2, "alter_flock", ALTER).build()?);
        let traffic = Traffic::start(&place).await?;
        let (locked, has_lock) = oneshot::channel();
        let reader = tokio::spawn(read(place.connect().await?, reading, locked));
        has_lock.await?;

        let began = Instant::now();
        let tries = within(self.alter(&place, &migrator)).await?;
        let altered = Instant::now();
        let read = reader.await??;
        let ended = altered.max(read);
        let statements = traffic.stop().await?;
        let stalls = statements.iter().filter(|statement| statement.overlaps(began, ended));
        let stall = stalls.map(|statement| statement.took()).max().ok_or("the application did nothing")?;
        database.drop().await?;
        Ok(Outcome { stall, tries, delay: altered.saturating_duration_since(read) })
    }

    /// Alters the table and returns how often that was tried.
    async fn alter(self, place: &Place, migrator: &Migrator) -> Result<u32, Failure> {
        match self {
            Self::Nobody => Ok(0),
            Self::Plain => {
                place.connect().await?.batch_execute(ALTER).await?;
                Ok(1)
            }
            Self::Dunlin => Ok(dunlin::migrate(place.config(), NoTls, migrator).await?.retries() + 1),
        }
    }
}

/// Reads the table in a transaction that stays open, and returns when it has ended.
async fn read(
    mut client: Client,
    reading: Duration,
    locked: oneshot::Sender<()>,
) -> Result<Instant, Failure> {
    let transaction = client.transaction().await?;
    transaction.query_one("SELECT count(*) FROM flock", &[]).await?;
    let _ = locked.send(());
    tokio::time::sleep(reading).await;
    transaction.commit().await?;
    Ok(Instant::now())
}

fn longest(outcomes: &[Outcome]) -> Duration {
    outcomes.iter().map(|outcome| outcome.stall).max().unwrap_or_default()
}

fn tries(outcomes: &[Outcome]) -> String {
    let tries: Vec<_> = outcomes
        .iter()
        .filter(|outcome| outcome.tries > 1)
        .map(|outcome| outcome.tries.to_string())
        .collect();
    if tries.is_empty() { String::new() } else { format!(", {} tries", tries.join(", ")) }
}
