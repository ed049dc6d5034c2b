use dunlin_startup::{Snapshot, Step, StepState};
use maud::{Markup, html};

use crate::page::marks::{Tone, migration, nothing, part};
use crate::page::text;

pub(crate) const ID: &str = "waiting";
pub(crate) const LATER: &str = "later";

/// Those that come next: at least so many are shown.
const NEXT: usize = 5;

/// The others are put away in groups of so many, counted from the last: so what is put away seldom changes.
const GROUP: usize = 10;

/// The migrations that come next, in the order in which they will be applied.
pub(crate) fn waiting(snapshot: &Snapshot) -> Markup {
    let all = steps(snapshot);
    if all.is_empty() {
        return nothing(ID);
    }
    let (next, _) = all.split_at_checked(shown(all.len())).unwrap_or((&all, &[]));
    part(ID, &format!("What waits: {}", text::many(all.len(), "migration")), &list(next))
}

/// The migrations that come after those.
pub(crate) fn later(snapshot: &Snapshot) -> Markup {
    let all = steps(snapshot);
    let later = all.get(shown(all.len())..).unwrap_or_default();
    if later.is_empty() {
        return nothing(LATER);
    }
    html! {
        section id=(LATER) {
            details { summary { (text::many(later.len(), "later migration")) } (list(later)) }
        }
    }
}

fn steps(snapshot: &Snapshot) -> Vec<&Step> {
    let waits = |state| matches!(state, StepState::Pending | StepState::HalfApplied | StepState::Failed);
    snapshot.steps.iter().filter(|step| waits(step.state)).collect()
}

fn shown(all: usize) -> usize {
    all - all.saturating_sub(NEXT) / GROUP * GROUP
}

fn list(steps: &[&Step]) -> Markup {
    html! {
        ol.steps {
            @for step in steps {
                li id={ "w-" (step.id.version()) } { (migration(&step.id)) (state(step)) }
            }
        }
    }
}

fn state(step: &Step) -> Markup {
    html! {
        @match (step.state, step.statements_done) {
            (StepState::Failed, _) => { " " span.tag { (Tone::Bad.sign()) (step.state) } }
            (StepState::HalfApplied, Some(done)) => {
                " " span.tag { (Tone::Notable.sign()) (step.state) ", " (text::many(done, "statement")) " done" }
            }
            (StepState::HalfApplied, None) => { " " span.tag { (Tone::Notable.sign()) (step.state) } }
            _ => {}
        }
    }
}
