//! Many replicas that boot at once.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use crate::arena::{Arena, Entry, rotated, within};
use crate::samples::Samples;
use crate::table::Row;
use crate::{Contestant, Dunlin, Failure, Options, Place, SelectOne, Table};

const REPLICAS: usize = 50;

const MIGRATIONS: i64 = 100;

/// The design's target: at most so many times one replica alone, on a fresh database.
const TARGET: f64 = 1.3;

pub(crate) async fn measure(
    arena: &Arena,
    peers: &[&dyn Contestant],
    options: &Options,
    table: &mut Table,
) -> Result<(), Failure> {
    let ours: [&dyn Contestant; 1] = [&Dunlin];
    let migrators: Vec<_> = ours.into_iter().chain(peers.iter().copied()).collect();
    let entries = Entry::all(&migrators, MIGRATIONS)?;
    let connecting = Entry::all(&[&SelectOne], MIGRATIONS)?;
    let mut fresh = vec![Results::default(); entries.len()];
    let mut current = vec![Results::default(); entries.len() + 1];
    let rounds = options.rounds(8);
    for round in 0..rounds {
        for index in rotated(entries.len(), round) {
            if let (Some(entry), Some(fresh), Some(current)) =
                (entries.get(index), fresh.get_mut(index), current.get_mut(index + 1))
            {
                let (one, many) = (arena.database().await?, arena.database().await?);
                fresh.round(entry, &Place::socket(&one), &Place::socket(&many)).await?;
                entry.check(&Place::socket(&one)).await?;
                current.round(entry, &Place::socket(&one), &Place::socket(&one)).await?;
                one.drop().await?;
                many.drop().await?;
            }
        }
        if let (Some(entry), Some(current)) = (connecting.first(), current.first_mut()) {
            let database = arena.database().await?;
            current.round(entry, &Place::socket(&database), &Place::socket(&database)).await?;
        }
    }
    let of = rounds * REPLICAS;
    let target = |name: &str| (name == Dunlin.name()).then_some(TARGET);
    let lines = entries
        .iter()
        .zip(&fresh)
        .flat_map(|(entry, results)| results.rows(&entry.name, of, target(&entry.name)));
    table.push("50 replicas, fresh database, 100 migrations", lines);
    let entries = connecting.iter().chain(&entries);
    let lines = entries.zip(&current).flat_map(|(entry, results)| results.rows(&entry.name, of, None));
    table.push("50 replicas, up to date, 100 migrations", lines);
    Ok(())
}

#[derive(Clone, Debug, Default)]
struct Results {
    alone: Samples,
    many: Samples,
    failed: usize,
}

impl Results {
    /// One replica boots in one place, and then all of them in the other.
    async fn round(&mut self, entry: &Entry, one: &Place, many: &Place) -> Result<(), Failure> {
        let (took, failed) = at_once(entry, one, 1).await?;
        if failed > 0 {
            return Err(format!("{} fails on its own", entry.name).into());
        }
        self.alone.push(Some(took));
        let (took, failed) = at_once(entry, many, REPLICAS).await?;
        self.many.push(Some(took));
        self.failed += failed;
        Ok(())
    }

    fn rows(&self, name: &str, of: usize, target: Option<f64>) -> [Row; 2] {
        let alone = Row { contestant: format!("{name}, alone"), time: self.alone.median(), ..Row::default() };
        let many = Row {
            contestant: format!("{name}, 50 at once"),
            time: self.many.median(),
            ratio: self.many.ratio(&self.alone),
            target,
            failed: Some((self.failed, of)),
            ..Row::default()
        };
        [alone, many]
    }
}

/// Boots replicas, each on a connection of its own, and returns how long it took until the last of them had booted or
/// failed, and how many failed.
async fn at_once(entry: &Entry, place: &Place, replicas: usize) -> Result<(Duration, usize), Failure> {
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    for _ in 0..replicas {
        let (prepared, place) = (entry.prepared.clone(), place.clone());
        tasks.spawn(async move { within(prepared.boot(&place)).await });
    }
    let outcomes = tasks.join_all().await;
    Ok((began.elapsed(), outcomes.iter().filter(|outcome| outcome.is_err()).count()))
}
