//! An application that writes to a table while a backfill goes through it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio_postgres::Client;

use crate::arena::Arena;
use crate::labels::Way;
use crate::samples::Samples;
use crate::sightings::{Shape, Sightings};
use crate::table::Row;
use crate::{Failure, Options, Place, Table};

const CLIENTS: u32 = 4;

/// For how long they write alone.
const ALONE: Duration = Duration::from_secs(8);

/// The design's targets: they keep 70 % of their transactions, and none waits longer than a batch may take and 100 ms.
const TARGET: f64 = 1.0 / 0.7;
const LONGEST: Duration = Duration::from_millis(600);

pub(crate) async fn measure(arena: &Arena, options: &Options, table: &mut Table) -> Result<(), Failure> {
    let database = arena.database().await?;
    let place = Place::socket(&database);
    let sightings = Sightings::new(&place, Shape::Plain, options.filled_rows()).await?;
    let (mut alone, mut beside) = (Samples::default(), Samples::default());
    let (mut longest_alone, mut longest_beside) = (Duration::ZERO, Duration::ZERO);
    for round in 0..options.rounds(3) {
        sightings.reset().await?;
        let writers = Writers::start(&place, sightings.rows()).await?;
        tokio::time::sleep(ALONE).await;
        let written = writers.stop().await?;
        alone.push(Some(written.mean));
        longest_alone = longest_alone.max(written.longest);
        sightings.reset().await?;
        let writers = Writers::start(&place, sightings.rows()).await?;
        Way::Dunlin(1).label(&place, Shape::Plain, &format!("labels_beside_{round}")).await?;
        let written = writers.stop().await?;
        beside.push(Some(written.mean));
        longest_beside = longest_beside.max(written.longest);
        sightings.check().await?;
    }
    let rows = [
        Row { contestant: "alone, a transaction".to_owned(), time: alone.median(), ..Row::default() },
        Row {
            contestant: "beside **dunlin**, a transaction".to_owned(),
            time: beside.median(),
            ratio: beside.ratio(&alone),
            target: Some(TARGET),
            ..Row::default()
        },
        Row { contestant: "alone, the longest".to_owned(), time: Some(longest_alone), ..Row::default() },
        Row {
            contestant: "beside **dunlin**, the longest".to_owned(),
            time: Some(longest_beside),
            limit: Some(LONGEST),
            ..Row::default()
        },
    ];
    table.push(&format!("{CLIENTS} writers on the table that is filled"), rows);
    drop(sightings);
    Ok(database.drop().await?)
}

pub(crate) fn note(options: &Options) -> String {
    format!(
        "Writers: {CLIENTS} clients update a random row of the table that is filled, each in a transaction that waits for the disk, one after \
         the other; {} s alone, and beside one worker of dunlin with its default settings until it is done; {} round(s). After it every \
         row is compared with what it should be.",
        ALONE.as_secs(),
        options.rounds(3)
    )
}

/// What they have done.
struct Written {
    /// How long a transaction took.
    mean: Duration,
    longest: Duration,
}

struct Writers {
    stop: Arc<AtomicBool>,
    began: Instant,
    clients: JoinSet<Result<(u32, Duration), Failure>>,
}

impl Writers {
    async fn start(place: &Place, rows: u32) -> Result<Self, Failure> {
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            let client = place.connect().await?;
            clients.spawn(write(client, number, rows, stop.clone()));
        }
        Ok(Self { stop, began: Instant::now(), clients })
    }

    async fn stop(self) -> Result<Written, Failure> {
        self.stop.store(true, Ordering::Relaxed);
        let took = self.began.elapsed();
        let (mut count, mut longest) = (0_u32, Duration::ZERO);
        for client in self.clients.join_all().await {
            let (transactions, slowest) = client?;
            count = count.saturating_add(transactions);
            longest = longest.max(slowest);
        }
        let mean = took.saturating_mul(CLIENTS).checked_div(count).ok_or("nothing was written")?;
        Ok(Written { mean, longest })
    }
}

/// Updates one row after the other until it is to stop; says how many, and how long the longest took.
async fn write(
    client: Client,
    number: u32,
    rows: u32,
    stop: Arc<AtomicBool>,
) -> Result<(u32, Duration), Failure> {
    let update = client.prepare("UPDATE sighting SET note = note WHERE id = $1").await?;
    // Numerical Recipes' generator: which rows these are makes no difference, only that they lie anywhere.
    let mut random = number;
    let (mut count, mut longest) = (0_u32, Duration::ZERO);
    while !stop.load(Ordering::Relaxed) {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let id = i64::from(random % rows) + 1;
        let began = Instant::now();
        client.execute(&update, &[&id]).await?;
        longest = longest.max(began.elapsed());
        count = count.saturating_add(1);
    }
    Ok((count, longest))
}
