use dunlin_startup::{Backfill, BackfillState, Snapshot};
use maud::{Markup, html};

use crate::page::marks::{Tone, migration, nothing, part, progress};
use crate::page::text;

pub(crate) const ID: &str = "backfills";

/// How far each backfill is.
pub(crate) fn backfills(snapshot: &Snapshot) -> Markup {
    if snapshot.backfills.is_empty() {
        return nothing(ID);
    }
    let content = html! { ul.backfills { @for backfill in &snapshot.backfills { (entry(backfill)) } } };
    part(ID, "Backfills", &content)
}

fn entry(backfill: &Backfill) -> Markup {
    let share = backfill.share();
    let name = format!("Backfill {}", backfill.id);
    html! {
        li id={ "b-" (backfill.id.version()) } {
            p.does {
                span { (migration(&backfill.id)) " " span.tag { (tone(backfill.state).sign()) (backfill.state) } }
                span.figure { (text::percent(share)) " %" }
            }
            (progress(&name, Some(share)))
            p.muted { (rows(backfill)) }
            @if let Some(note) = &backfill.note { p.note { (text::sentence(note)) } }
        }
    }
}

fn tone(state: BackfillState) -> Tone {
    match state {
        BackfillState::Finished => Tone::Good,
        BackfillState::Running => Tone::Busy,
        BackfillState::Paused => Tone::Notable,
        BackfillState::Failed => Tone::Bad,
        _ => Tone::Quiet,
    }
}

fn rows(backfill: &Backfill) -> String {
    let done = match backfill.total {
        0 => format!("{} rows", text::count(backfill.done)),
        total => format!("{} of {} rows", text::count(backfill.done), text::count(total)),
    };
    let rate = backfill.rate.map(|rate| format!("{} rows a second", text::rate(rate)));
    let left = backfill.left.map(|left| format!("about {} left", text::about(left)));
    [Some(done), rate, left].into_iter().flatten().collect::<Vec<_>>().join(", ")
}
