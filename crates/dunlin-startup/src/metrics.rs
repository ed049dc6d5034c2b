//! What a start tells through the `metrics` facade. The names are a promise, which `docs/metrics.md` makes.

use dunlin_core::{BackfillProgress, MigrationId, Progress, Report};
use metrics::{counter, gauge, histogram};

use crate::{Phase, Snapshot, StepState};

/// What a run tells.
pub(crate) fn note(progress: &Progress<'_>) {
    match progress {
        Progress::Finished { direction, took, .. } => {
            let direction = direction.to_string();
            counter!("dunlin_migrations_total", "direction" => direction.clone()).increment(1);
            histogram!("dunlin_migration_duration_seconds", "direction" => direction)
                .record(took.as_secs_f64());
        }
        Progress::Retrying { code, .. } => {
            counter!("dunlin_retries_total", "code" => (*code).to_owned()).increment(1);
        }
        Progress::Reconnecting { .. } => counter!("dunlin_reconnects_total").increment(1),
        _ => {}
    }
}

/// A run has come to its end.
pub(crate) fn ran(report: &Report) {
    histogram!("dunlin_lock_wait_seconds").record(report.waited().as_secs_f64());
    histogram!("dunlin_run_duration_seconds").record(report.took().as_secs_f64());
}

/// How a start stands.
pub(crate) fn stands(snapshot: &Snapshot) {
    let (applied, pending) = (snapshot.count(StepState::Applied), snapshot.count(StepState::Pending));
    let number = |count: usize| u32::try_from(count).map_or(f64::from(u32::MAX), f64::from);
    gauge!("dunlin_ready").set(if snapshot.ready { 1.0 } else { 0.0 });
    gauge!("dunlin_failed").set(if snapshot.phase == Phase::Failed { 1.0 } else { 0.0 });
    gauge!("dunlin_migrations_applied").set(number(applied));
    gauge!("dunlin_migrations_pending").set(number(pending));
    let waiting = snapshot.lock.as_ref().map_or(0.0, |lock| lock.waited.as_secs_f64());
    gauge!("dunlin_lock_waiting_seconds").set(waiting);
    gauge!("dunlin_start_duration_seconds").set(snapshot.took.as_secs_f64());
}

/// How far the backfills are.
pub(crate) fn backfills(backfills: &[(MigrationId, BackfillProgress)]) {
    #[expect(clippy::as_conversions, reason = "a gauge need not be exact past 2^52")]
    let number = |count: u64| count as f64;
    for (id, progress) in backfills {
        let name = id.name().to_owned();
        counter!("dunlin_backfill_rows_total", "backfill" => name.clone()).absolute(progress.done);
        let left = progress.total.saturating_sub(progress.done);
        gauge!("dunlin_backfill_rows_left", "backfill" => name.clone()).set(number(left));
        gauge!("dunlin_backfill_rows_per_second", "backfill" => name.clone())
            .set(progress.rate.unwrap_or_default());
        for (signal, slept) in &progress.slept {
            let labels = [("backfill", name.clone()), ("signal", signal.clone())];
            gauge!("dunlin_backfill_slept_seconds", &labels).set(slept.as_secs_f64());
        }
    }
}
