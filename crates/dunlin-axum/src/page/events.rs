use dunlin_startup::{Event, Snapshot};
use maud::{Markup, html};

use crate::page::marks::{Tone, migration, moment, nothing, part};
use crate::page::text;

pub(crate) const ID: &str = "events";

/// The newest are shown.
const NEWEST: usize = 10;

/// Behind them are at most so many; the event log of the database has them all.
const MOST: usize = 200;

/// What has happened, newest first.
pub(crate) fn events(snapshot: &Snapshot) -> Markup {
    if snapshot.events.is_empty() {
        return nothing(ID);
    }
    let newest: Vec<&Event> = snapshot.events.iter().rev().take(MOST).collect();
    let (newest, older) = newest.split_at_checked(NEWEST).unwrap_or((&newest, &[]));
    let content = html! {
        (list(newest))
        @if !older.is_empty() {
            details { summary { (text::many(older.len(), "older event")) } (list(older)) }
        }
    };
    part(ID, "Events", &content)
}

fn list(events: &[&Event]) -> Markup {
    html! {
        ol.events {
            @for event in events {
                li {
                    (moment(event.at))
                    span {
                        (tone(&event.what).sign()) span.what { (event.what) } " "
                        @if let Some(id) = &event.migration { (migration(id)) " " }
                        @if let Some(detail) = &event.detail { span.muted { (detail) } " " }
                        @if let Some(application) = &event.application { span.muted { "by " (application) } }
                    }
                }
            }
        }
    }
}

fn tone(what: &str) -> Tone {
    match what {
        "applied" => Tone::Good,
        "failed" => Tone::Bad,
        "reverted" | "retrying" | "reconnecting" | "over budget" | "cut off" => Tone::Notable,
        "waiting" | "running" => Tone::Busy,
        _ => Tone::Quiet,
    }
}
