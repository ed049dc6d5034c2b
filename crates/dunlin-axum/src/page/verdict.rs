use dunlin_core::State;
use dunlin_startup::{BackfillState, Phase, Snapshot, StepState};
use maud::{Markup, html};

use crate::page::marks::{Tone, fact, moment, progress};
use crate::page::text;

pub(crate) const ID: &str = "verdict";

/// Whether it is ready, what it does and why, in one sentence; and the figures below it.
pub(crate) fn verdict(snapshot: &Snapshot) -> Markup {
    let tone = tone(snapshot);
    let (applied, all) = (snapshot.count(StepState::Applied), own(snapshot));
    html! {
        section id=(ID) class=(tone.class()) aria-labelledby="verdict-heading" data-title=(title(snapshot)) {
            h2 id="verdict-heading" class="unseen" { "Verdict" }
            // Nothing in here ticks: it is read out when it changes.
            div.sentence role="status" aria-live="polite" {
                (tone.sign())
                p { strong { (word(snapshot)) "." } " " span { (why(snapshot)) } }
                @if snapshot.state == Some(State::Ahead) { p.more { (ahead(snapshot)) } }
            }
            @if all > 0 && applied < all {
                (progress("Migrations applied", Some(share(applied, all))))
            }
            dl.facts {
                @if all > 0 {
                    (fact("Applied", &html! { (text::number(applied)) " of " (text::number(all)) }))
                }
                @if let Some(state) = snapshot.state { (fact("Database", &html! { (state) })) }
                (fact(if is_over(snapshot.phase) { "Took" } else { "Elapsed" }, &html! { (text::duration(snapshot.took)) }))
                @if !snapshot.lock_waited.is_zero() {
                    (fact("Waited for the lock", &html! { (text::duration(snapshot.lock_waited)) }))
                }
                @if snapshot.retries > 0 { (fact("Retries", &html! { (text::count(snapshot.retries)) })) }
                (fact("Started, UTC", &moment(snapshot.started_at)))
                @if let Some(at) = snapshot.read_at { (fact("History read, UTC", &moment(at))) }
            }
        }
    }
}

/// What the window is called.
pub(crate) fn title(snapshot: &Snapshot) -> String {
    match snapshot.phase {
        Phase::Done => word(snapshot).to_owned(),
        phase => format!("{}: {phase}", word(snapshot)),
    }
}

/// Whether it has come to an end, and changes no more.
pub(crate) fn is_over(phase: Phase) -> bool {
    matches!(phase, Phase::Done | Phase::Failed | Phase::Stopped)
}

fn word(snapshot: &Snapshot) -> &'static str {
    if snapshot.ready { "Ready" } else { "Not ready" }
}

fn tone(snapshot: &Snapshot) -> Tone {
    match (snapshot.phase, snapshot.ready, snapshot.state) {
        (Phase::Failed, ..) | (_, false, Some(State::Diverged)) => Tone::Bad,
        (_, true, Some(State::Ahead | State::Diverged)) => Tone::Notable,
        (_, true, _) if snapshot.failure.is_some() => Tone::Notable,
        (_, true, _) => Tone::Good,
        (Phase::Stopping | Phase::Stopped, ..) => Tone::Quiet,
        _ => Tone::Busy,
    }
}

/// The rest of the sentence.
fn why(snapshot: &Snapshot) -> String {
    if !snapshot.ready {
        return not_ready(snapshot);
    }
    match snapshot.phase {
        Phase::Done if snapshot.failure.is_some() => {
            "The schema is there, but something that was put off has failed.".to_owned()
        }
        Phase::Done if snapshot.state == Some(State::Ahead) => {
            "All that this program needs is applied.".to_owned()
        }
        Phase::Done => match own(snapshot) {
            0 => "There is nothing to do.".to_owned(),
            1 => "The migration is applied.".to_owned(),
            all => format!("All {} migrations are applied.", text::number(all)),
        },
        Phase::Backfilling => {
            let open = |state| !matches!(state, BackfillState::Finished | BackfillState::Failed);
            match snapshot.backfills.iter().filter(|backfill| open(backfill.state)).count() {
                0 => "The schema is there; backfills are being finished.".to_owned(),
                open => format!("The schema is there; {} to be finished.", text::many(open, "backfill")),
            }
        }
        phase => text::sentence(&format!("requests are served while the start goes on: {phase}")),
    }
}

/// Why it is not ready. What changes while it lasts, and what has a part of its own, is left to that.
fn not_ready(snapshot: &Snapshot) -> String {
    match (snapshot.phase, &snapshot.reason) {
        (Phase::Failed, _) => failed(snapshot),
        (Phase::Migrating, _) => "Migrations are being applied.".to_owned(),
        (Phase::WaitingForLock, _) if snapshot.lock.is_some() => "Another process migrates.".to_owned(),
        (_, Some(reason)) if !reason.trim().is_empty() => text::sentence(reason),
        (phase, _) => text::sentence(&phase.to_string()),
    }
}

fn failed(snapshot: &Snapshot) -> String {
    match snapshot.failure.as_ref().and_then(|failure| failure.migration.as_ref()) {
        Some(id) => format!("Migration {id} failed."),
        None => "The start failed.".to_owned(),
    }
}

fn ahead(snapshot: &Snapshot) -> String {
    let which = match snapshot.count(StepState::Ahead) {
        0 => "later migrations".to_owned(),
        later => text::many(later, "later migration"),
    };
    format!(
        "The database is ahead of this program: it holds {which}. This is an older version than the one that migrated last, \
         as after a rollback or during a rolling upgrade."
    )
}

/// The migrations that the program has.
fn own(snapshot: &Snapshot) -> usize {
    let strangers = snapshot.count(StepState::Ahead) + snapshot.count(StepState::Missing);
    snapshot.steps.len().saturating_sub(strangers)
}

#[expect(clippy::as_conversions, reason = "a share need not be exact past 2^52")]
fn share(done: usize, all: usize) -> f64 {
    done as f64 / all as f64
}
