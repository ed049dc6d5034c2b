//! How far something is.

use std::sync::{Arc, Mutex, PoisonError};

use dunlin::{Migrator, Progress};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use temporal_periods::{Teller, Told};

use crate::screen::Screen;

const TEMPLATE: &str = "  {msg:<12} {bar:30} {percent:>3} %  {human_pos} of {human_len}, {rate}, {eta} left";

/// A bar on standard error, where that is a terminal. What is said meanwhile stands above it.
#[derive(Clone)]
pub(crate) struct Bar {
    screen: Screen,
    shown: Arc<Mutex<Option<ProgressBar>>>,
}

impl Bar {
    pub(crate) fn new(screen: Screen) -> Self {
        Self { screen, shown: Arc::default() }
    }

    /// Something begins of which nobody knows yet how much it is.
    pub(crate) fn begin(&self, what: &str) {
        self.clear();
        let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
        let style = style.progress_chars("=> ").with_key(
            "rate",
            |state: &ProgressState, text: &mut dyn std::fmt::Write| {
                // Whoever writes into a text can't fail.
                let _ = write!(text, "{:.0} a second", state.per_sec());
            },
        );
        let bar = ProgressBar::new(0).with_style(style).with_message(what.to_owned());
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar);
    }

    /// So many are done, of so many.
    pub(crate) fn advance(&self, done: u64, total: u64) {
        if let Some(bar) = &*self.shown.lock().unwrap_or_else(PoisonError::into_inner) {
            bar.set_length(total);
            bar.set_position(done);
        }
    }

    /// What was shown is over.
    pub(crate) fn clear(&self) {
        if let Some(bar) = self.shown.lock().unwrap_or_else(PoisonError::into_inner).take() {
            bar.finish_and_clear();
        }
    }

    /// Lets it follow what a migrator does.
    pub(crate) fn follow(&self, migrator: Migrator) -> Migrator {
        let (bar, teller) = (self.clone(), self.clone());
        migrator
            .on_progress(move |progress| match progress {
                Progress::Advanced { done, total, .. } => bar.advance(done, total),
                Progress::Reconnecting { .. } => bar.aside("the connection is gone: connecting again"),
                Progress::Finished { .. } => bar.clear(),
                _ => {}
            })
            .resource(Teller::new(move |told| match told {
                Told::Begins(part) => teller.begin(part),
                Told::Ended(report) => teller.aside(&report.to_string()),
            }))
    }

    fn aside(&self, text: &str) {
        self.clear();
        self.screen.aside(text);
    }
}
