use std::time::Duration;

use dunlin_startup::{Snapshot, Step, StepState, Verdict};
use maud::{Markup, html};

use crate::page::marks::{Tone, migration, moment, nothing, part};
use crate::page::scale::Scale;
use crate::page::strip::strip;
use crate::page::text;

pub(crate) const ID: &str = "ran";
pub(crate) const OLDER: &str = "older";

/// The newest: at least so many are shown.
const NEWEST: usize = 15;

/// The others are put away in groups of so many, counted from the first: so what is put away seldom changes.
const GROUP: usize = 25;

/// What ran, newest first, with bars by duration.
pub(crate) fn ran(snapshot: &Snapshot) -> Markup {
    let all = steps(snapshot);
    let Some(table) = Table::of(snapshot, &all) else { return nothing(ID) };
    let newest = all.get(put_away(all.len())..).unwrap_or_default();
    let content = html! {
        (strip(&all))
        @if table.verdicts { p.verdicts { (verdicts(&all)) } }
        @if let Some(scale) = table.scale { p.muted { (explained(scale)) } }
        (table.render(newest, "The newest migrations that ran, newest first"))
    };
    part(ID, "What ran", &content)
}

/// Those that ran before.
pub(crate) fn older(snapshot: &Snapshot) -> Markup {
    let all = steps(snapshot);
    let older = all.get(..put_away(all.len())).unwrap_or_default();
    match Table::of(snapshot, &all) {
        Some(table) if !older.is_empty() => html! {
            section id=(OLDER) {
                details {
                    summary { (text::many(older.len(), "older migration")) }
                    (table.render(older, "Older migrations that ran, newest first"))
                }
            }
        },
        _ => nothing(OLDER),
    }
}

fn steps(snapshot: &Snapshot) -> Vec<&Step> {
    let ran = |state| matches!(state, StepState::Applied | StepState::Ahead | StepState::Missing);
    snapshot.steps.iter().filter(|step| ran(step.state)).collect()
}

fn put_away(all: usize) -> usize {
    all.saturating_sub(NEWEST) / GROUP * GROUP
}

fn explained(scale: Scale) -> &'static str {
    match scale {
        Scale::Linear { .. } => "Bars show the time on the server.",
        Scale::Logarithmic { .. } => {
            "Bars show the time on the server on a logarithmic scale: each line is ten times the one before."
        }
    }
}

/// How many have which verdict; those that do not say how to verify them are counted last.
fn verdicts(steps: &[&Step]) -> Markup {
    let count = |verdict| steps.iter().filter(|step| step.verdict == verdict).count();
    let known = [
        (Verdict::Failed, Tone::Bad, "failed verification"),
        (Verdict::Verified, Tone::Good, "verified"),
        (Verdict::Unverified, Tone::Quiet, "not verified by this process"),
        (Verdict::None, Tone::Quiet, "without verification"),
    ];
    html! {
        @for (verdict, tone, words) in known {
            @let number = count(verdict);
            @if number > 0 { span.tag { (tone.sign()) (text::number(number)) " " (words) } " " }
        }
    }
}

/// What all rows are shown by, whichever table they are in.
struct Table<'a> {
    scale: Option<Scale>,
    verdicts: bool,
    application: Option<&'a str>,
}

impl<'a> Table<'a> {
    fn of(snapshot: &'a Snapshot, steps: &[&Step]) -> Option<Self> {
        (!steps.is_empty()).then(|| Self {
            scale: Scale::of(steps.iter().filter_map(|step| step.took)),
            verdicts: steps.iter().any(|step| step.verdict != Verdict::None),
            application: snapshot.application.as_deref(),
        })
    }

    fn render(&self, steps: &[&Step], caption: &str) -> Markup {
        html! {
            table class={ "parts-" (self.scale.map_or(1, Scale::parts)) } {
                caption.unseen { (caption) }
                thead {
                    tr {
                        th scope="col" { "Migration" }
                        th.bar scope="col" {
                            span.unseen { "Time on the server" }
                            @if let Some(scale) = self.scale { (axis(scale)) }
                        }
                        th.took scope="col" { "Took" }
                        @if self.verdicts { th scope="col" { "Verified" } }
                        th scope="col" { "Applied, UTC" }
                    }
                }
                tbody { @for step in steps.iter().rev() { (self.row(step)) } }
            }
        }
    }

    fn row(&self, step: &Step) -> Markup {
        html! {
            tr id={ "m-" (step.id.version()) } {
                th scope="row" {
                    (migration(&step.id))
                    @if step.state != StepState::Applied {
                        " " span.tag { (Tone::Notable.sign()) (step.state) }
                    }
                }
                td.bar { @if let (Some(scale), Some(took)) = (self.scale, step.took) { (bar(scale, took)) } }
                td.took { @if let Some(took) = step.took { (text::duration(took)) } }
                @if self.verdicts { td { (verdict(step.verdict)) } }
                td {
                    @if let Some(at) = step.applied_at { (moment(at)) }
                    // Its own name everywhere says nothing.
                    @if let Some(by) = step.application.as_deref().filter(|by| Some(*by) != self.application) {
                        " " span.by { "by " (by) }
                    }
                }
            }
        }
    }
}

fn verdict(verdict: Verdict) -> Markup {
    html! {
        @match verdict {
            Verdict::Verified => { span.tag { (Tone::Good.sign()) "verified" } }
            Verdict::Failed => { span.tag { (Tone::Bad.sign()) "failed" } }
            Verdict::Unverified => { span.tag { (Tone::Quiet.sign()) "not yet" } }
            _ => {}
        }
    }
}

/// Attributes, no style: the page's policy allows none.
fn bar(scale: Scale, took: Duration) -> Markup {
    html! { svg aria-hidden="true" { rect width=(format_args!("{:.1}%", scale.length(took))) height="100%" {} } }
}

fn axis(scale: Scale) -> Markup {
    let parts = f64::from(scale.parts().max(1));
    html! {
        svg.axis aria-hidden="true" {
            @for (index, mark) in (0_u32..).zip(scale.marks()) {
                @let at = f64::from(index) / parts * 100.0;
                @if index > 0 {
                    text x=(format_args!("{at:.1}%")) y="12" text-anchor="end" { (text::mark(mark)) }
                }
            }
        }
    }
}
