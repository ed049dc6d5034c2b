//! Applying migrations to a fresh database.

use crate::arena::{Arena, Entry, rotated};
use crate::samples::Samples;
use crate::table::Row;
use crate::{Batch, Contestant, Dunlin, Failure, Options, Place, Table};

/// One measurement: how many migrations, over what, and the design's target for dunlin against one batch.
struct Plan {
    name: &'static str,
    count: i64,
    rounds: usize,
    far: bool,
    /// Whether the peers take part.
    peers: bool,
    target: Option<f64>,
}

pub(crate) async fn in_memory(
    arena: &Arena,
    peers: &[&dyn Contestant],
    options: &Options,
    table: &mut Table,
) -> Result<(), Failure> {
    let plans = [
        Plan { name: "apply 100", count: 100, rounds: 12, far: false, peers: true, target: None },
        Plan { name: "apply 1,000", count: 1_000, rounds: 8, far: false, peers: true, target: Some(1.25) },
        Plan {
            name: "apply 100, 5 ms round trip",
            count: 100,
            rounds: 8,
            far: true,
            peers: true,
            target: Some(1.35),
        },
        Plan {
            name: "apply 1,000, 5 ms round trip",
            count: 1_000,
            rounds: 4,
            far: true,
            peers: false,
            target: None,
        },
    ];
    for plan in plans {
        plan.measure(arena, peers, options, table).await?;
    }
    Ok(())
}

pub(crate) async fn on_disk(
    arena: &Arena,
    peers: &[&dyn Contestant],
    options: &Options,
    table: &mut Table,
) -> Result<(), Failure> {
    let plans = [
        Plan { name: "apply 100, on disk", count: 100, rounds: 8, far: false, peers: true, target: None },
        Plan {
            name: "apply 1,000, on disk",
            count: 1_000,
            rounds: 6,
            far: false,
            peers: true,
            target: Some(1.10),
        },
    ];
    for plan in plans {
        plan.measure(arena, peers, options, table).await?;
    }
    Ok(())
}

impl Plan {
    async fn measure(
        &self,
        arena: &Arena,
        peers: &[&dyn Contestant],
        options: &Options,
        table: &mut Table,
    ) -> Result<(), Failure> {
        let peers = if self.peers { peers } else { &[] };
        let ours: [&dyn Contestant; 2] = [&Batch, &Dunlin];
        let contestants: Vec<_> = ours.into_iter().chain(peers.iter().copied()).collect();
        let entries = Entry::all(&contestants, self.count)?;
        let mut results = vec![Results::default(); entries.len()];
        // The first round is a warm-up and thrown away.
        for round in 0..=options.rounds(self.rounds) {
            if round == 1 {
                results.fill(Results::default());
            }
            for index in rotated(entries.len(), round) {
                if let (Some(entry), Some(results)) = (entries.get(index), results.get_mut(index)) {
                    self.round(arena, entry, results).await?;
                }
            }
        }
        let base = results.first().cloned().unwrap_or_default();
        let rows = entries.into_iter().zip(results).enumerate().map(|(index, (entry, results))| Row {
            contestant: entry.name,
            time: results.wall.median(),
            ratio: results.wall.ratio(&base.wall),
            target: self.target.filter(|_| index == 1),
            cpu: results.cpu.median(),
            cpu_ratio: results.cpu.ratio(&base.cpu),
            round_trips: results.round_trips,
            ..Row::default()
        });
        table.push(self.name, rows);
        Ok(())
    }

    async fn round(&self, arena: &Arena, entry: &Entry, results: &mut Results) -> Result<(), Failure> {
        let (database, proxy) = arena.far().await?;
        let cost = entry.apply(&Place::socket(&database), self.far.then_some(&proxy)).await?;
        results.round_trips = cost.round_trips;
        results.wall.push(Some(cost.wall));
        results.cpu.push(cost.cpu);
        database.drop().await?;
        Ok(())
    }
}

#[derive(Clone, Debug, Default)]
struct Results {
    wall: Samples,
    cpu: Samples,
    round_trips: Option<usize>,
}
