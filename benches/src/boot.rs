//! Booting when there is nothing to do.

use std::time::Instant;

use crate::arena::{Arena, Entry, rotated};
use crate::samples::Samples;
use crate::table::Row;
use crate::{Contestant, Dunlin, Failure, Opened, Options, Place, SelectOne, Table};

const COUNTS: [i64; 3] = [10, 100, 1_000];

/// The design's target: at most so many times a `SELECT 1`.
const TARGET: f64 = 1.25;

pub(crate) async fn measure(
    arena: &Arena,
    peers: &[&dyn Contestant],
    options: &Options,
    table: &mut Table,
) -> Result<(), Failure> {
    for count in COUNTS {
        let (mut near, mut far) = (Vec::new(), Vec::new());
        let ours: [&dyn Contestant; 2] = [&SelectOne, &Dunlin];
        let contestants: Vec<_> = ours.into_iter().chain(peers.iter().copied()).collect();
        for (index, entry) in Entry::all(&contestants, count)?.into_iter().enumerate() {
            let (database, proxy) = arena.far().await?;
            let place = Place::socket(&database);
            if index > 0 {
                entry.apply(&place, None).await?;
            }
            near.push((entry.name.clone(), entry.prepared.open(&place).await?, database));
            far.push((entry.name, entry.prepared.open(&Place::through(&proxy)).await?, proxy));
        }
        let samples = interleaved(&mut near, options.rounds(400)).await?;
        table.push(&format!("boot, {count} applied, nothing to do"), rows(&near, &samples, |_| None));
        let samples = interleaved(&mut far, options.rounds(20)).await?;
        let mut round_trips = Vec::new();
        for (_, opened, proxy) in &mut far {
            proxy.reset();
            opened.migrate().await?;
            round_trips.push(proxy.flights());
        }
        table.push(
            &format!("the same, {count} applied, 5 ms round trip"),
            rows(&far, &samples, |index| round_trips.get(index).copied()),
        );
        for (_, opened, _) in near {
            opened.close().await?;
        }
        for (_, opened, _) in far {
            opened.close().await?;
        }
    }
    Ok(())
}

type Seat<T> = (String, Box<dyn Opened>, T);

async fn interleaved<T>(seats: &mut [Seat<T>], rounds: usize) -> Result<Vec<Samples>, Failure> {
    let mut samples = vec![Samples::default(); seats.len()];
    for round in 0..rounds {
        for index in rotated(seats.len(), round) {
            if let (Some((_, opened, _)), Some(samples)) = (seats.get_mut(index), samples.get_mut(index)) {
                let began = Instant::now();
                opened.migrate().await?;
                samples.push(Some(began.elapsed()));
            }
        }
    }
    Ok(samples)
}

fn rows<T>(seats: &[Seat<T>], samples: &[Samples], round_trips: impl Fn(usize) -> Option<usize>) -> Vec<Row> {
    let base = samples.first().cloned().unwrap_or_default();
    let row = |(index, ((contestant, ..), samples)): (usize, (&Seat<T>, &Samples))| Row {
        contestant: contestant.clone(),
        time: samples.median(),
        ratio: samples.ratio(&base),
        target: (index == 1).then_some(TARGET),
        round_trips: round_trips(index),
        ..Row::default()
    };
    seats.iter().zip(samples).enumerate().map(row).collect()
}
