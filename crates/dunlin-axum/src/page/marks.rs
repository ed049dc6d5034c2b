//! What all parts are made of: signs, bars, moments and names.

use std::time::SystemTime;

use dunlin_core::MigrationId;
use maud::{Markup, html};

use crate::page::text;

/// How something stands, as a colour and a shape: never as a colour alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it should be.
    Good,
    /// Under way.
    Busy,
    /// Worth to be looked at.
    Notable,
    /// Wrong.
    Bad,
    /// Neither.
    Quiet,
}

impl Tone {
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Busy => "busy",
            Self::Notable => "notable",
            Self::Bad => "bad",
            Self::Quiet => "quiet",
        }
    }

    /// A sign of its shape. What it means stands beside it in words.
    pub(crate) fn sign(self) -> Markup {
        html! {
            svg class={ "sign " (self.class()) } viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" {
                @match self {
                    Self::Good => { circle cx="8" cy="8" r="7.5" {} path d="M4.6 8.3l2.3 2.3 4.5-4.9" {} }
                    Self::Busy => { circle cx="8" cy="8" r="7.5" {} path d="M8 4.2V8l2.6 2" {} }
                    Self::Notable => { path class="shape" d="M8 .8 15.6 15H.4z" {} path d="M8 5.8v4.2M8 12.2v.4" {} }
                    Self::Bad => { path class="shape" d="M4.9.5h6.2l4.4 4.4v6.2l-4.4 4.4H4.9L.5 11.1V4.9z" {} path d="M5.4 5.4l5.2 5.2M10.6 5.4l-5.2 5.2" {} }
                    Self::Quiet => { circle cx="8" cy="8" r="7.5" {} path d="M5 8h6" {} }
                }
            }
        }
    }
}

/// A part of the live region: a section under its heading.
pub(crate) fn part(id: &str, heading: &str, content: &Markup) -> Markup {
    let label = format!("{id}-heading");
    html! {
        section id=(id) aria-labelledby=(label) {
            h2 id=(label) { (heading) }
            (content)
        }
    }
}

/// A part that has nothing to say: it stays in the page, so that an event finds its place.
pub(crate) fn nothing(id: &str) -> Markup {
    html! { section id=(id) hidden {} }
}

/// Version and name.
pub(crate) fn migration(id: &MigrationId) -> Markup {
    html! { span.id { (id.version()) } " " (name(id)) }
}

/// The name, which may be broken behind its underscores.
pub(crate) fn name(id: &MigrationId) -> Markup {
    html! {
        span.name {
            @for (index, word) in id.name().split_inclusive('_').enumerate() {
                @if index > 0 { wbr; }
                (word)
            }
        }
    }
}

/// A moment, in UTC.
pub(crate) fn moment(at: SystemTime) -> Markup {
    html! { time datetime=(text::machine_time(at)) { (text::time(at)) } }
}

/// How much of something is done; without a share it is under way.
pub(crate) fn progress(name: &str, share: Option<f64>) -> Markup {
    html! {
        @match share.map(text::percent) {
            Some(percent) => progress max="100" value=(percent) aria-label=(name) { (percent) " %" },
            None => progress max="100" aria-label=(name) {},
        }
    }
}

/// A term and what it is, of a list of facts.
pub(crate) fn fact(term: &str, value: &Markup) -> Markup {
    html! { div { dt { (term) } dd { (value) } } }
}
