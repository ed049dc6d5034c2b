//! A column of many rows that is filled: by the server in one statement, and from here.

use std::time::{Duration, Instant};

use crate::arena::{Arena, rotated};
use crate::labels::Way;
use crate::memory::Memory;
use crate::samples::{Ratio, Samples};
use crate::sightings::{Shape, Sightings};
use crate::written::{Targets, Written};
use crate::{Failure, Options, Place, Table};

/// The design's targets for dunlin: in time (the design says rows per second) and WAL against the one `UPDATE`, in what the heap may grow
/// to, and in megabytes.
fn targets(shape: Shape, way: Way) -> Targets {
    let ratio = match (shape, way) {
        (Shape::Plain, Way::Dunlin(1)) => Some(1.0 / 0.65),
        (Shape::Plain, Way::Dunlin(_)) => Some(1.0),
        (Shape::Plain, Way::Apart) => Some(1.0 / 2.0),
        (Shape::Indexed, Way::Dunlin(1)) => Some(1.0 / 1.6),
        (Shape::Random, Way::Dunlin(1)) => Some(1.0 / 0.75),
        _ => None,
    };
    let wal_ratio = match (shape, way) {
        (Shape::Plain, Way::Dunlin(_)) => Some(0.7),
        (Shape::Indexed, Way::Dunlin(_)) => Some(0.55),
        _ => None,
    };
    match way {
        Way::Update | Way::Unnest => Targets::default(),
        Way::Dunlin(_) => Targets { ratio, wal_ratio, growth: Some(1.4), memory: Some(64.0) },
        Way::Apart => Targets { ratio, memory: Some(64.0), ..Targets::default() },
    }
}

pub(crate) async fn measure(
    arena: &Arena,
    shape: Shape,
    options: &Options,
    table: &mut Table,
) -> Result<(), Failure> {
    let database = arena.database().await?;
    let place = Place::socket(&database);
    let sightings = Sightings::new(&place, shape, options.filled_rows()).await?;
    let mut ways = vec![Way::Update, Way::Unnest, Way::Dunlin(1), Way::Dunlin(2)];
    if shape == Shape::Plain {
        ways.push(Way::Apart);
    }
    // The server's first files of WAL are new, and later ones are old ones that are written over.
    cost(&place, &sightings, Way::Update, "warm-up").await?;
    let mut costs = vec![Vec::new(); ways.len()];
    for round in 0..options.rounds(3) {
        for index in rotated(ways.len(), round) {
            if let (Some(way), Some(costs)) = (ways.get(index), costs.get_mut(index)) {
                let name = format!("labels_{round}_{index}");
                costs.push(
                    cost(&place, &sightings, *way, &name)
                        .await
                        .map_err(|failure| format!("{}, {}: {failure}", shape.name(), way.name()))?,
                );
            }
        }
    }
    let base = costs.first().cloned().unwrap_or_default();
    table.push_written(
        shape.name(),
        ways.iter().zip(&costs).map(|(way, costs)| written(*way, costs, &base, targets(shape, *way))),
    );
    drop(sightings);
    Ok(database.drop().await?)
}

pub(crate) fn note(arena: &Arena, options: &Options) -> String {
    format!(
        "Backfill: {}, `fsync` on, `autovacuum` off, otherwise the server's defaults, through a Unix socket. {} rows of about 200 bytes (a \
         key, a jsonb, three texts) get a value made of two of the texts, from the server's own expression in one `UPDATE`, \
         otherwise computed here; what it does not name has one worker. Each contestant has the table made anew, vacuumed, and a \
         checkpoint; after it every row is compared with what it should be. {} round(s) after a warm-up. WAL holds the images of pages \
         after a checkpoint. Growth: the size of the heap to that before. HOT: the share of the updates that stayed on their page. \
         Memory: the most that this process had at once, whatever it holds from before included. The new table has the key, the value and a primary key.",
        arena.origin(),
        options.filled_rows(),
        options.rounds(3)
    )
}

/// What it took to label all rows once.
#[derive(Clone, Copy, Debug)]
struct Cost {
    time: Duration,
    /// In bytes for each row.
    wal: f64,
    growth: Option<f64>,
    hot: Option<f64>,
    memory: Option<f64>,
}

async fn cost(place: &Place, sightings: &Sightings, way: Way, name: &str) -> Result<Cost, Failure> {
    sightings.reset().await?;
    let before = sightings.counters().await?;
    let memory = Memory::forget();
    let began = Instant::now();
    way.label(place, sightings.shape(), name).await?;
    let time = began.elapsed();
    let memory = memory.peak();
    let after = sightings.counters().await?;
    let wal = (after.wal - before.wal) / f64::from(sightings.rows());
    if way == Way::Apart {
        sightings.check_apart().await?;
        return Ok(Cost { time, wal, growth: None, hot: None, memory });
    }
    let hot = Some(sightings.hot().await?);
    sightings.check().await?;
    Ok(Cost { time, wal, growth: Some(after.bytes / before.bytes), hot, memory })
}

fn written(way: Way, costs: &[Cost], base: &[Cost], targets: Targets) -> Written {
    let times = |costs: &[Cost]| {
        let mut times = Samples::default();
        costs.iter().for_each(|cost| times.push(Some(cost.time)));
        times
    };
    let median =
        |of: fn(&Cost) -> Option<f64>| Ratio::over(costs.iter().filter_map(of)).map(|over| over.median);
    Written {
        contestant: way.name(),
        time: times(costs).median(),
        ratio: times(costs).ratio(&times(base)),
        wal: median(|cost| Some(cost.wal)),
        wal_ratio: Ratio::over(costs.iter().zip(base).map(|(cost, base)| cost.wal / base.wal)),
        growth: median(|cost| cost.growth),
        hot: median(|cost| cost.hot),
        memory: costs.iter().filter_map(|cost| cost.memory).reduce(f64::max),
        targets,
    }
}
