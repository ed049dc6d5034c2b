use std::cmp::Reverse;
use std::time::Duration;

use dunlin_startup::Step;
use maud::{Markup, html};

use crate::page::marks::name;
use crate::page::text;

/// What is shorter than this share of the whole is drawn together with its neighbours.
const NARROW: f64 = 0.01;

/// The longest are named.
const NAMED: usize = 3;

/// Where the time went: one band for all that ran, in the order in which it ran, each as wide as it took; and the longest by name.
pub(crate) fn strip(steps: &[&Step]) -> Markup {
    let whole: Duration = steps.iter().filter_map(|step| step.took).sum();
    if whole.is_zero() || steps.len() < 2 {
        return html! {};
    }
    let share = |took: Duration| took.as_secs_f64() / whole.as_secs_f64();
    html! {
        @let longest = longest(steps, whole);
        p {
            (text::many(steps.len(), "migration")) " took " strong { (text::duration(whole)) } " on the server."
            @for (index, (step, took)) in longest.iter().enumerate() {
                @if index == 0 { " The longest: " } @else { ", " }
                (name(&step.id)) " " (text::duration(*took))
                " (" (text::percent(share(*took))) " %)"
            }
            @if !longest.is_empty() { "." }
        }
        svg.strip aria-hidden="true" {
            @for segment in segments(steps, whole) {
                rect.rest[segment.step.is_none()]
                    x=(format_args!("{:.2}%", segment.from * 100.0))
                    width=(format_args!("{:.2}%", segment.width * 100.0)) height="100%" {
                    @if let Some(step) = segment.step { title { (step.id) } }
                }
            }
        }
    }
}

fn longest<'a>(steps: &[&'a Step], whole: Duration) -> Vec<(&'a Step, Duration)> {
    let mut timed: Vec<(&Step, Duration)> =
        steps.iter().filter_map(|step| Some((*step, step.took?))).collect();
    // What can't be seen in the band is not worth a name.
    timed.retain(|(_, took)| took.as_secs_f64() >= NARROW * whole.as_secs_f64());
    timed.sort_by_key(|(_, took)| Reverse(*took));
    timed.truncate(NAMED);
    timed
}

struct Segment<'a> {
    /// Nothing for what was too short to be seen alone.
    step: Option<&'a Step>,
    from: f64,
    width: f64,
}

fn segments<'a>(steps: &[&'a Step], whole: Duration) -> Vec<Segment<'a>> {
    let mut segments: Vec<Segment<'a>> = Vec::new();
    let mut from = 0.0;
    for step in steps {
        let width = step.took.unwrap_or_default().as_secs_f64() / whole.as_secs_f64();
        match segments.last_mut() {
            Some(rest) if width < NARROW && rest.step.is_none() => rest.width += width,
            _ => segments.push(Segment { step: (width >= NARROW).then_some(*step), from, width }),
        }
        from += width;
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;
    use dunlin_core::MigrationId;
    use dunlin_startup::StepState;

    fn step(version: i64, took: Duration) -> Step {
        let mut step = Step::new(MigrationId::new(version, "m"), StepState::Applied);
        step.took = Some(took);
        step
    }

    #[test]
    fn a_thousand_short_ones_are_one_segment() {
        let mut steps: Vec<Step> =
            (1..=1_000).map(|version| step(version, Duration::from_millis(2))).collect();
        steps.insert(500, step(2_000, Duration::from_secs(20)));
        let steps: Vec<&Step> = steps.iter().collect();
        let segments = segments(&steps, steps.iter().filter_map(|step| step.took).sum());
        assert_eq!(
            segments.iter().map(|segment| segment.step.is_some()).collect::<Vec<_>>(),
            [false, true, false]
        );
        let end = segments.last().map(|last| last.from + last.width).unwrap();
        assert!((end - 1.0).abs() < 1e-6);
    }
}
