mod backfills;
mod events;
mod failure;
mod findings;
mod lock;
mod marks;
mod parts;
mod policy;
mod ran;
mod running;
mod scale;
mod stamp;
mod strip;
mod text;
mod updates;
mod verdict;
mod waiting;

use dunlin_startup::Snapshot;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::PageOptions;

pub use parts::fragment;
use parts::parts;
pub use policy::content_security_policy;
pub use updates::Updates;
pub(crate) use verdict::is_over;

const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// How often a browser without JavaScript loads the page again while something changes, in seconds.
const RELOAD: u32 = 5;

/// The page of a snapshot: a whole HTML document that loads nothing else.
///
/// It is complete without JavaScript, and then loads itself again every five seconds until the start is over. With it, it listens to the
/// events at [`PageOptions::events`]. All text is escaped. [`content_security_policy`](crate::content_security_policy) is the header
/// that it should be sent with.
///
/// ```
/// use std::time::SystemTime;
///
/// use dunlin_axum::PageOptions;
/// use dunlin_startup::Snapshot;
///
/// let html = dunlin_axum::document(&Snapshot::new(SystemTime::now()), &PageOptions::new());
/// assert!(html.contains("Not ready"));
/// ```
#[must_use]
pub fn document(snapshot: &Snapshot, options: &PageOptions) -> String {
    let reloads = !is_over(snapshot.phase);
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (verdict::title(snapshot)) " · " (options.title) }
                link rel="icon" href="data:,";
                style { (PreEscaped(STYLE)) }
                @if reloads { noscript { meta http-equiv="refresh" content=(RELOAD); } }
            }
            body {
                (header(snapshot, options))
                main id="live" data-events=(options.events) data-title=(options.title) {
                    @for part in parts(snapshot) { (part.html) }
                }
                footer { (footer(options, reloads)) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
    .into_string()
}

fn header(snapshot: &Snapshot, options: &PageOptions) -> Markup {
    html! {
        header {
            h1 {
                (options.title)
                @if let Some(application) = &snapshot.application { " " span.application { (application) } }
            }
            // The script shows it.
            p id="line" hidden { span.dot {} " " span id="line-text" {} }
        }
    }
}

fn footer(options: &PageOptions, reloads: bool) -> Markup {
    html! {
        @if reloads { noscript { p { "This page loads itself again every " (RELOAD) " seconds." } } }
        @if let Some(json) = &options.json { p { a href=(json) { "The same as JSON" } } }
    }
}
