use std::hash::{DefaultHasher, Hash, Hasher};

use dunlin_startup::Snapshot;
use maud::{Markup, PreEscaped, html};

use crate::page::{backfills, events, failure, findings, lock, ran, running, stamp, verdict, waiting};

/// A section of the live region: what an event replaces.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) html: PreEscaped<String>,
}

impl Part {
    /// Equal for parts that look the same, within this process.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.html.0.hash(&mut hasher);
        hasher.finish()
    }
}

/// All parts, in their order on the page. There are always the same ones: one that has nothing to say is hidden.
pub(crate) fn parts(snapshot: &Snapshot) -> Vec<Part> {
    let of: [fn(&Snapshot) -> Markup; 12] = [
        verdict::verdict,
        failure::failure,
        findings::findings,
        lock::lock,
        running::running,
        backfills::backfills,
        waiting::waiting,
        waiting::later,
        ran::ran,
        ran::older,
        events::events,
        stamp::stamp,
    ];
    of.into_iter().map(|part| Part { html: part(snapshot) }).collect()
}

/// The live region of the page of a snapshot alone: what stands in `main`, for a page of one's own.
///
/// It is a row of `section`s with fixed ids. All text is escaped.
#[must_use]
pub fn fragment(snapshot: &Snapshot) -> String {
    html! { @for part in parts(snapshot) { (part.html) } }.into_string()
}
