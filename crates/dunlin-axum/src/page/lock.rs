use dunlin_startup::Snapshot;
use maud::{Markup, html};

use crate::page::marks::{nothing, part};
use crate::page::text;

pub(crate) const ID: &str = "lock";

/// For how long this process waits for the migration lock, and who has it.
pub(crate) fn lock(snapshot: &Snapshot) -> Markup {
    let Some(wait) = &snapshot.lock else { return nothing(ID) };
    let content = html! {
        div.card.busy {
            p { "For " strong { (text::duration(wait.waited)) } ". This start goes on by itself when the other is done." }
            dl.facts {
                div {
                    dt { "Held by" }
                    dd { @match &wait.holder { Some(holder) => (holder), None => span.muted { "not known yet" } } }
                }
            }
        }
    };
    part(ID, "Waiting for the migration lock", &content)
}
