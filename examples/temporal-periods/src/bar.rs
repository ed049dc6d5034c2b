//! How far something is.

use std::sync::{Arc, Mutex, PoisonError};

use dunlin::{Migrator, Progress};
use indicatif::{ProgressBar, ProgressStyle};
use temporal_periods::Teller;

use crate::screen::Screen;

const TEMPLATE: &str =
    "  {msg:<12} {bar:30} {percent:>3} %  {human_pos} of {human_len}, {per_sec}, {eta} left";

/// A bar on standard error, where that is a terminal. What is said meanwhile stands above it.
#[derive(Clone)]
pub(crate) struct Bar {
    screen: Screen,
    bar: Arc<Mutex<Option<ProgressBar>>>,
}

impl Bar {
    pub(crate) fn new(screen: Screen) -> Self {
        Self { screen, bar: Arc::default() }
    }

    /// So many are done, of so many. Fewer than before are those of something else, which begins.
    pub(crate) fn advance(&self, what: &str, done: u64, total: u64) {
        let mut bar = self.bar.lock().unwrap_or_else(PoisonError::into_inner);
        if bar.as_ref().is_some_and(|bar| bar.position() > done || bar.message() != what)
            && let Some(bar) = bar.take()
        {
            bar.finish_and_clear();
        }
        let bar = bar.get_or_insert_with(|| {
            let style =
                ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(total).with_style(style.progress_chars("=> ")).with_message(what.to_owned())
        });
        bar.set_length(total);
        bar.set_position(done);
    }

    /// What was shown is over.
    pub(crate) fn clear(&self) {
        if let Some(bar) = self.bar.lock().unwrap_or_else(PoisonError::into_inner).take() {
            bar.finish_and_clear();
        }
    }

    /// Lets it follow what a migrator does.
    pub(crate) fn follow(&self, migrator: Migrator) -> Migrator {
        let (bar, teller) = (self.clone(), self.clone());
        migrator
            .on_progress(move |progress| match progress {
                Progress::Advanced { id, done, total, .. } => bar.advance(id.name(), done, total),
                Progress::Reconnecting { .. } => bar.aside("the connection is gone: connecting again"),
                Progress::WaitingForLock { .. } => bar.clear(),
                Progress::Finished { .. } => bar.clear(),
                _ => {}
            })
            .resource(Teller::new(move |report| teller.aside(&report.to_string())))
    }

    fn aside(&self, text: &str) {
        self.clear();
        self.screen.aside(text);
    }
}
