use dunlin_startup::Snapshot;
use maud::{Markup, html};

use crate::page::marks::{Tone, fact, migration, nothing, part};
use crate::page::text;

pub(crate) const ID: &str = "failure";

/// Where it has failed, what was wrong, and what to do.
pub(crate) fn failure(snapshot: &Snapshot) -> Markup {
    let Some(failure) = &snapshot.failure else { return nothing(ID) };
    let content = html! {
        div.card.bad {
            @if let Some(location) = &failure.location {
                p.place { (Tone::Bad.sign()) code { (location) } }
            }
            p.said { (text::sentence(&failure.text)) }
            dl.facts {
                @if let Some(id) = &failure.migration { (fact("Migration", &migration(id))) }
                (fact("Kind", &html! { (failure.kind) }))
                @if let Some(code) = &failure.code { (fact("SQLSTATE", &html! { code { (code) } })) }
            }
            @if !failure.blockers.is_empty() {
                h3 { "In its way" }
                ul { @for blocker in &failure.blockers { li { (blocker) } } }
            }
            h3 { "What to do" }
            p {
                "This process does not try again. Remove the cause and start it anew: what was applied before stays applied, \
                 and the next start goes on behind it."
            }
        }
    };
    part(ID, "What failed", &content)
}
