use dunlin_core::Direction;
use dunlin_startup::{Running, Snapshot};
use maud::{Markup, html};

use crate::page::marks::{fact, migration, nothing, part, progress};
use crate::page::text;

pub(crate) const ID: &str = "running";

/// The migration that runs in this process, and how far it is.
pub(crate) fn running(snapshot: &Snapshot) -> Markup {
    let Some(running) = &snapshot.running else { return nothing(ID) };
    let content = html! {
        div.card.busy {
            h3 { (migration(&running.id)) }
            @if let Some(name) = does(running) {
                @let share = running.share();
                p.does {
                    span { (name) }
                    @if let Some(share) = share { span.figure { (text::percent(share)) " %" } }
                }
                (progress(&name, share))
                @if let Some(left) = left(running) { p.muted { (left) } }
            }
            dl.facts {
                (fact("Elapsed", &html! { (text::duration(running.elapsed)) }))
                @if running.direction == Direction::Down { (fact("Direction", &html! { (running.direction) })) }
                @if let Some((statement, of)) = running.statement {
                    (fact("Statement", &html! { (text::number(statement)) " of " (text::number(of)) }))
                }
                @if running.retries > 0 { (fact("Retries", &html! { (text::count(running.retries)) })) }
                @if let Some(process) = running.build.as_ref().and_then(|build| build.waits_for) {
                    (fact("Waits for", &html! { "process " (process) }))
                }
            }
            @if !running.blockers.is_empty() {
                h3 { "In its way" }
                ul { @for blocker in &running.blockers { li { (blocker) } } }
            }
        }
    };
    part(ID, "Running now", &content)
}

/// What the bar counts.
fn does(running: &Running) -> Option<String> {
    match (&running.build, running.advanced) {
        (Some(build), _) => Some(text::capital(&build.phase)),
        (None, Some((done, 0))) => Some(format!("{} done", text::count(done))),
        (None, Some((done, of))) => Some(format!("{} of {} done", text::count(done), text::count(of))),
        (None, None) => None,
    }
}

fn left(running: &Running) -> Option<String> {
    let rate = running.rate.map(|rate| format!("{} a second", text::rate(rate)));
    let left = running.left.map(|left| format!("about {} left", text::about(left)));
    let known: Vec<String> = rate.into_iter().chain(left).collect();
    (!known.is_empty()).then(|| known.join(", "))
}
