//! Snapshots of every kind.

use std::cmp::Ordering;
use std::time::{Duration, SystemTime};

use dunlin_core::{Direction, Location, MigrationId, State};
use dunlin_startup::{
    Backfill, BackfillState, Build, Event, Failure, LockWait, Phase, Running, Snapshot, Step, StepState,
    Verdict,
};

/// What a name stands for.
type Scene = (&'static str, fn() -> Snapshot);

/// Names with the snapshots that they stand for.
pub(crate) const ALL: [Scene; 11] = [
    ("fresh", fresh),
    ("server", server),
    ("migrating", migrating),
    ("lock", lock),
    ("failed", failed),
    ("ahead", ahead),
    ("backfills", backfills),
    ("done", done),
    ("thousand", thousand),
    ("thousand-later", thousand_later),
    ("hostile", hostile),
];

const NAMES: [&str; 12] = [
    "create_conversations",
    "create_utterances",
    "create_nodes",
    "create_relationships",
    "create_clusters",
    "create_edits_log",
    "create_api_calls_log",
    "search_vectors",
    "partial_index_open_conversations",
    "fill_search_vectors",
    "index_utterances_by_conversation_and_position",
    "forbid_empty_utterances",
];

/// Nothing is known but what the program has.
pub(crate) fn fresh() -> Snapshot {
    let mut snapshot = begun(Phase::Starting, "looking at the database");
    snapshot.steps = steps(0);
    snapshot.took = Duration::from_millis(84);
    snapshot
}

/// Nobody answers.
pub(crate) fn server() -> Snapshot {
    let why = "can't connect: connection refused";
    let mut snapshot = begun(Phase::WaitingForServer, why);
    snapshot.steps = steps(0);
    snapshot.took = Duration::from_millis(64_000);
    snapshot.unread = Some("there was no answer within 2 s".to_owned());
    let mut event = Event::new(snapshot.started_at, "waiting");
    event.detail = Some(why.to_owned());
    snapshot.events.push(event);
    snapshot
}

/// An index is built.
pub(crate) fn migrating() -> Snapshot {
    let mut snapshot =
        begun(Phase::Migrating, "migrating: 11 (index_utterances_by_conversation_and_position) runs");
    snapshot.state = Some(State::Behind);
    snapshot.steps = steps(10);
    snapshot.steps[10].state = StepState::Running;
    let mut running = Running::new(snapshot.steps[10].id.clone(), Direction::Up);
    running.elapsed = Duration::from_millis(8_400);
    running.statement = Some((2, 3));
    running.retries = 2;
    running.blockers =
        vec!["process 4711, application reports, 10.0.0.9, idle in transaction for 41 s".to_owned()];
    running.build = Some(Build::new("building index: scanning table", 912_345, 2_000_000, None));
    running.rate = Some(108_612.0);
    running.left = Some(Duration::from_secs(10));
    snapshot.running = Some(running);
    snapshot.retries = 2;
    snapshot.took = Duration::from_millis(9_120);
    snapshot.read_at = Some(snapshot.at);
    snapshot.events = events(&snapshot);
    snapshot
}

/// Somebody else migrates.
pub(crate) fn lock() -> Snapshot {
    let mut snapshot = begun(Phase::WaitingForLock, "waiting for another process that migrates");
    snapshot.state = Some(State::Behind);
    snapshot.steps = steps(10);
    snapshot.steps[10].state = StepState::HalfApplied;
    snapshot.steps[10].statements_done = Some(1);
    let holder = "process 4242, application threads 2.0.0, 10.0.0.7, connected for 13 s";
    snapshot.lock = Some(LockWait::new(Duration::from_millis(12_300), Some(holder.to_owned())));
    snapshot.lock_waited = Duration::from_millis(12_300);
    snapshot.took = Duration::from_millis(12_400);
    snapshot.events = events(&snapshot);
    snapshot
}

/// A constraint does not hold.
pub(crate) fn failed() -> Snapshot {
    let mut snapshot = begun(Phase::Failed, "migration 12 (forbid_empty_utterances) failed");
    snapshot.state = Some(State::Behind);
    snapshot.steps = steps(11);
    snapshot.steps[11].state = StepState::Failed;
    let text = "migration 12 (forbid_empty_utterances) failed at migrations/0012_forbid_empty_utterances.up.sql:3:5: \
                check constraint \"utterances_text_check\" of relation \"utterances\" is violated by some row; its transaction was \
                rolled back: 11 migrations were applied before it";
    let mut failure = Failure::new(text, "Migration");
    failure.migration = Some(snapshot.steps[11].id.clone());
    failure.location = Some(Location::new("migrations/0012_forbid_empty_utterances.up.sql", 3, 5));
    failure.code = Some("23514".to_owned());
    failure.blockers = vec!["process 4711, application reports, idle in transaction for 41 s".to_owned()];
    snapshot.failure = Some(failure);
    snapshot.took = Duration::from_millis(21_870);
    snapshot.events = events(&snapshot);
    snapshot
}

/// An older program after a newer one.
pub(crate) fn ahead() -> Snapshot {
    let mut snapshot = done();
    snapshot.state = Some(State::Ahead);
    snapshot.findings = vec![
        "the database holds 13 (merge_clusters), which is later than all that this program knows".to_owned(),
        "the database holds 14 (drop_nodes_legacy), which is later than all that this program knows"
            .to_owned(),
    ];
    for (version, name) in [(13, "merge_clusters"), (14, "drop_nodes_legacy")] {
        let mut step = Step::new(MigrationId::new(version, name), StepState::Ahead);
        step.applied_at = Some(moment(90));
        step.took = Some(Duration::from_millis(310));
        step.application = Some("threads 2.0.0".to_owned());
        snapshot.steps.push(step);
    }
    snapshot
}

/// The schema is there, and work was put off.
pub(crate) fn backfills() -> Snapshot {
    let mut snapshot = done();
    snapshot.phase = Phase::Backfilling;
    let backfill = |version, name: &str, state, done, total| {
        Backfill::new(MigrationId::new(version, name), state, done, total)
    };
    let mut running = backfill(10, "fill_search_vectors", BackfillState::Running, 1_284_500, 2_000_000);
    running.rate = Some(24_310.0);
    running.left = Some(Duration::from_secs(29));
    running.note = Some("pauses for replica lag of 2.1 s".to_owned());
    let mut failed = backfill(9, "merge_duplicate_nodes", BackfillState::Failed, 120, 48_000);
    failed.note = Some("more rows were set aside than its budget of 10 allows".to_owned());
    snapshot.backfills = vec![
        backfill(4, "fill_weights", BackfillState::Finished, 310_000, 310_000),
        failed,
        running,
        backfill(12, "fill_lengths", BackfillState::Waiting, 0, 2_000_000),
    ];
    snapshot
}

/// All is applied.
pub(crate) fn done() -> Snapshot {
    let mut snapshot = begun(Phase::Done, "");
    (snapshot.ready, snapshot.reason) = (true, None);
    snapshot.state = Some(State::Current);
    snapshot.steps = steps(12);
    snapshot.took = Duration::from_millis(21_870);
    snapshot.read_at = Some(snapshot.at);
    snapshot.events = events(&snapshot);
    snapshot
}

/// A thousand migrations, one of which takes 20 seconds, while the last run.
pub(crate) fn thousand() -> Snapshot {
    thousand_at(941)
}

/// Two migrations later.
pub(crate) fn thousand_later() -> Snapshot {
    thousand_at(943)
}

fn thousand_at(running: i64) -> Snapshot {
    let mut snapshot = begun(Phase::Migrating, "a migration runs");
    snapshot.state = Some(State::Behind);
    for version in 1..=1_000_i64 {
        let state = match version.cmp(&running) {
            Ordering::Less => StepState::Applied,
            Ordering::Equal => StepState::Running,
            Ordering::Greater => StepState::Pending,
        };
        let id = MigrationId::new(version, format!("add_column_{version}_to_table_{}", version % 37));
        let mut step = Step::new(id, state);
        if state == StepState::Applied {
            let took =
                if version == 417 { 20_100_000 } else { 1_400 + version.unsigned_abs() * 7_919 % 2_300 };
            step.took = Some(Duration::from_micros(took));
            step.applied_at = Some(moment(version.unsigned_abs()));
            step.verdict = if version % 10 == 0 { Verdict::Verified } else { Verdict::None };
        }
        snapshot.steps.push(step);
    }
    let runs = snapshot.steps.iter().find(|step| step.state == StepState::Running);
    snapshot.running = runs.map(|step| Running::new(step.id.clone(), Direction::Up));
    snapshot.took = Duration::from_millis(22_900);
    snapshot.events = events(&snapshot);
    snapshot
}

/// Names and texts that would be something else if they were not escaped.
pub(crate) fn hostile() -> Snapshot {
    let mut snapshot = failed();
    let text = "<script>document.title = 'taken'</script><img src=x onerror=\"document.title='taken'\">";
    snapshot.application = Some(text.to_owned());
    snapshot.findings = vec![text.to_owned(), "line\r\n\nand another\u{2028}".to_owned()];
    snapshot.steps[3].id = MigrationId::new(4, format!("\"'><svg onload=alert(1)>{}", "x".repeat(300)));
    snapshot.failure = Some(Failure::new(text, "Migration"));
    snapshot
}

fn begun(phase: Phase, reason: &str) -> Snapshot {
    let mut snapshot = Snapshot::new(moment(1_000));
    snapshot.phase = phase;
    snapshot.reason = Some(reason.to_owned());
    snapshot.application = Some("threads 1.4.2".to_owned());
    snapshot.at = moment(1_022);
    snapshot
}

fn steps(applied: usize) -> Vec<Step> {
    let took = [14, 22, 9, 11, 6, 5, 4, 310, 48, 1_900, 19_200, 36];
    let step = |((index, name), (version, took)): ((usize, &&str), (i64, u64))| {
        let mut step = Step::new(MigrationId::new(version, *name), StepState::Pending);
        if index < applied {
            step.state = StepState::Applied;
            step.took = Some(Duration::from_millis(took));
            step.applied_at = Some(moment(1_000 + version.unsigned_abs()));
            step.application = Some("threads 1.4.2".to_owned());
            step.verdict = match index % 3 {
                0 => Verdict::Verified,
                1 => Verdict::Unverified,
                _ => Verdict::None,
            };
        }
        step
    };
    NAMES.iter().enumerate().zip((1..).zip(took)).map(step).collect()
}

fn events(snapshot: &Snapshot) -> Vec<Event> {
    let mut events = vec![Event::new(snapshot.started_at, "started")];
    for step in &snapshot.steps {
        if let Some(at) = step.applied_at {
            let mut event = Event::new(at, "applied");
            event.migration = Some(step.id.clone());
            events.push(event);
        }
    }
    if let Some(failure) = &snapshot.failure {
        let mut event = Event::new(snapshot.at, "failed");
        event.migration = failure.migration.clone();
        event.detail = Some("SQLSTATE 23514".to_owned());
        events.push(event);
    }
    events
}

fn moment(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_796_094_343 + seconds)
}
