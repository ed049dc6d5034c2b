//! Making the page of a start, which is done for each event of each listener.

use std::hint::black_box;
use std::time::{Duration, Instant, SystemTime};

use dunlin::{Direction, MigrationId};
use dunlin_axum::{PageOptions, Updates, document};
use dunlin_startup::{Phase, Running, Snapshot, Step, StepState, Verdict};

use crate::samples::Samples;
use crate::table::Row;
use crate::{Options, Table};

/// What a page of a thousand migrations may take of the server. The issue allows ten times that.
const LIMIT: Duration = Duration::from_millis(10);

pub(crate) fn measure(options: &Options, table: &mut Table) {
    let (few, many) = (snapshot(10), snapshot(1_000));
    let page = |snapshot: &Snapshot| drop(black_box(document(snapshot, &PageOptions::new())));
    // The dearest one: the first, in which every part is sent.
    let event = |snapshot: &Snapshot| drop(black_box(Updates::new().next(snapshot)));
    let mut samples = [(); 3].map(|()| Samples::default());
    for _ in 0..options.rounds(200) {
        let [of_few, of_many, of_event] = &mut samples;
        time(of_few, || page(&few));
        time(of_many, || page(&many));
        time(of_event, || event(&many));
    }
    let [of_few, of_many, of_event] = &samples;
    let row = |contestant: &str, samples: &Samples, limit| Row {
        contestant: contestant.to_owned(),
        time: samples.median(),
        ratio: samples.ratio(of_few),
        limit,
        ..Row::default()
    };
    let rows = [
        row("of 10 migrations", of_few, None),
        row("of 1,000 migrations", of_many, Some(LIMIT)),
        row("an event of 1,000", of_event, Some(LIMIT)),
    ];
    table.push("the page of a start, without a network", rows);
}

fn time(samples: &mut Samples, work: impl FnOnce()) {
    let began = Instant::now();
    work();
    samples.push(Some(began.elapsed()));
}

/// A start that is at the last of so many.
fn snapshot(count: i64) -> Snapshot {
    let mut snapshot = Snapshot::new(SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    snapshot.phase = Phase::Migrating;
    for version in 1..=count {
        let id = MigrationId::new(version, format!("add_column_{version}_to_conversations"));
        let mut step = Step::new(id, StepState::Applied);
        step.took = Some(Duration::from_micros(1_400 + version.unsigned_abs() * 7_919 % 2_300));
        step.applied_at = Some(snapshot.started_at + Duration::from_secs(version.unsigned_abs()));
        step.verdict = Verdict::Verified;
        snapshot.steps.push(step);
    }
    let last = snapshot.steps.last_mut().map(|step| {
        step.state = StepState::Running;
        step.id.clone()
    });
    snapshot.running = last.map(|id| Running::new(id, Direction::Up));
    snapshot
}
