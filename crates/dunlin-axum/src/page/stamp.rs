use dunlin_startup::Snapshot;
use maud::{Markup, html};

use crate::page::marks::moment;

pub(crate) const ID: &str = "stamp";

/// When all of this was true.
pub(crate) fn stamp(snapshot: &Snapshot) -> Markup {
    html! { section id=(ID) { p { "As of " (moment(snapshot.at)) " UTC" } } }
}
