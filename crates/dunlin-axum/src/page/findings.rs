use dunlin_startup::Snapshot;
use maud::{Markup, html};

use crate::page::marks::{Tone, nothing, part};
use crate::page::text;

pub(crate) const ID: &str = "findings";

/// How the history and the program differ, and why the history could not be read.
pub(crate) fn findings(snapshot: &Snapshot) -> Markup {
    // What the verdict says need not be said again.
    let unread = snapshot.unread.as_ref().filter(|why| snapshot.reason.as_ref() != Some(*why));
    if snapshot.findings.is_empty() && unread.is_none() {
        return nothing(ID);
    }
    let content = html! {
        ul.findings {
            @if let Some(why) = unread {
                li { (Tone::Notable.sign()) span { "The history could not be read: " (text::sentence(why)) } }
            }
            @for finding in &snapshot.findings {
                li { (Tone::Notable.sign()) span { (text::sentence(finding)) } }
            }
        }
    };
    part(ID, "Findings", &content)
}
