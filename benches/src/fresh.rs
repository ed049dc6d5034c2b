//! A database with all migrations for each test.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::anew::Anew;
use crate::arena::{Arena, rotated, within};
use crate::bare::{BareConnection, BareCopy};
use crate::samples::Samples;
use crate::table::Row;
use crate::test_databases::{Found, TestDatabases};
use crate::{Dunlin, Failure, Options, Script, Supplier, Supply, Table};

const MIGRATIONS: i64 = 100;

/// The design's targets, against a bare copy.
const WITHOUT_POOL: f64 = 1.15;
const FROM_POOL: f64 = 0.25;

/// How much more than a bare connection a cleaned database may cost.
const CLEANED: Duration = Duration::from_millis(2);

/// How many times faster than the first of the peers.
const FASTER_WITHOUT_POOL: f64 = 4.0;
const FASTER_FROM_POOL: f64 = 15.0;

/// Where these stand among the suppliers.
const COPY: usize = 0;
const CONNECTION: usize = 1;
const NONE: usize = 2;
const NEW: usize = 3;
const USED: usize = 4;
const FIRST_PEER: usize = 6;

pub(crate) async fn measure(
    arena: &Arena,
    peers: &[&dyn Supplier],
    options: &Options,
    table: &mut Table,
    notes: &mut Vec<String>,
) -> Result<(), Failure> {
    let scripts = Script::paired(MIGRATIONS);
    let [none, new, used] = [Found::None, Found::New, Found::Used]
        .map(|found| TestDatabases { server: arena.server().clone(), found });
    let ours: [&dyn Supplier; FIRST_PEER] =
        [&BareCopy("FILE_COPY"), &BareConnection, &none, &new, &used, &Anew(Dunlin)];
    let suppliers: Vec<_> = ours.into_iter().chain(peers.iter().copied()).collect();
    let seats = Seat::all(arena, &suppliers, &scripts).await?;
    for (tests, rounds) in [(1, 24), (8, 10)] {
        let samples = interleaved(arena, &seats, tests, options.rounds(rounds)).await?;
        push(table, &seats, &samples, tests);
    }
    notes.push(format!(
        "Fresh databases: {MIGRATIONS} migrations that make 50 tables with 150 indexes; until a connection to the database has \
         answered; with 8 at once, the time until the last had its answer, divided by 8. Databases are given up, and a \
         checkpoint is made, between the measurements."
    ));
    notes.extend(suppliers.iter().map(|supplier| format!("{}: {}.", supplier.name(), supplier.way())));
    Ok(())
}

/// The ratios to a bare copy, and those to the first of the peers.
fn push(table: &mut Table, seats: &[Seat], samples: &[Samples], tests: usize) {
    let row = |index: usize, base: usize, target: Option<f64>| {
        let (seat, samples, base) = (seats.get(index)?, samples.get(index)?, samples.get(base)?);
        Some(Row {
            contestant: seat.name.clone(),
            time: samples.median(),
            ratio: samples.ratio(base),
            target,
            ..Row::default()
        })
    };
    let target = |index| match index {
        NONE => Some(WITHOUT_POOL),
        NEW => Some(FROM_POOL),
        _ => None,
    };
    let above = samples.get(USED).zip(samples.get(CONNECTION)).map(|(used, connection)| Row {
        contestant: "the last, above a connection".to_owned(),
        time: used.above(connection),
        limit: Some(CLEANED),
        ..Row::default()
    });
    let name = match tests {
        1 => "a database for a test".to_owned(),
        _ => format!("{tests} at once, for each"),
    };
    let mut rows: Vec<Row> = (0..seats.len()).filter_map(|index| row(index, COPY, target(index))).collect();
    rows.splice((USED + 1).min(rows.len())..(USED + 1).min(rows.len()), above);
    table.push(&name, rows);
    let against = [
        row(FIRST_PEER, FIRST_PEER, None),
        row(NONE, FIRST_PEER, Some(1.0 / FASTER_WITHOUT_POOL)),
        row(NEW, FIRST_PEER, Some(1.0 / FASTER_FROM_POOL)),
        row(USED, FIRST_PEER, None),
    ];
    if let Some(peer) = seats.get(FIRST_PEER) {
        table.push(&format!("{name}, against {}", peer.name), against.into_iter().flatten());
    }
}

/// A supplier on the server.
pub(crate) struct Seat {
    pub(crate) name: String,
    supply: Arc<dyn Supply>,
}

impl Seat {
    pub(crate) async fn all(
        arena: &Arena,
        suppliers: &[&dyn Supplier],
        scripts: &[Script],
    ) -> Result<Vec<Self>, Failure> {
        let mut seats = Vec::new();
        for supplier in suppliers {
            let supply = supplier.open(&arena.maintenance(), scripts).await?;
            seats.push(Self { name: supplier.name(), supply });
        }
        Ok(seats)
    }

    /// So many tests ask at once; returns the time for each.
    async fn round(&self, arena: &Arena, tests: usize) -> Result<Duration, Failure> {
        self.supply.ready(tests).await?;
        arena.settle().await?;
        let mut tasks = JoinSet::new();
        let began = Instant::now();
        for _ in 0..tests {
            let supply = Arc::clone(&self.supply);
            tasks.spawn(async move { within(supply.supply()).await });
        }
        let supplied = tasks.join_all().await;
        let took = began.elapsed();
        for supplied in supplied {
            supplied?.give_up().await?;
        }
        Ok(took.div_f64(f64::from(u32::try_from(tests)?)))
    }
}

/// Everybody takes turns. The first round is a warm-up and thrown away.
pub(crate) async fn interleaved(
    arena: &Arena,
    seats: &[Seat],
    tests: usize,
    rounds: usize,
) -> Result<Vec<Samples>, Failure> {
    let mut samples = vec![Samples::default(); seats.len()];
    for round in 0..=rounds {
        if round == 1 {
            samples.fill(Samples::default());
        }
        for index in rotated(seats.len(), round) {
            if let (Some(seat), Some(samples)) = (seats.get(index), samples.get_mut(index)) {
                samples.push(Some(seat.round(arena, tests).await?));
            }
        }
    }
    Ok(samples)
}
