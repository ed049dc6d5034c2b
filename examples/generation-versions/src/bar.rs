use std::sync::Mutex;

use dunlin::{Direction, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar for the migration that runs, fed by [`Migrator::on_progress`](dunlin::Migrator::on_progress). It is drawn on standard error
/// where that is a terminal, and nowhere else.
pub(crate) struct Bar(Mutex<ProgressBar>);

impl Bar {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(ProgressBar::hidden()))
    }

    pub(crate) fn show(&self, progress: Progress<'_>) {
        // A bar that somebody has panicked with is still a bar.
        let mut bar = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match progress {
            Progress::Started { id, direction, .. } => {
                let way = if direction == Direction::Down { "back " } else { "" };
                *bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
                style(&bar, "  {msg}");
                bar.set_message(format!("{way}{}", id.name()));
            }
            Progress::Advanced { done, total, .. } => {
                if bar.length().is_none() {
                    style(&bar, "  {msg:<20} {bar:40} {pos}/{len} {eta}");
                }
                bar.set_length(total);
                bar.set_position(done);
            }
            Progress::Finished { .. } => bar.finish_and_clear(),
            _ => {}
        }
    }
}

fn style(bar: &ProgressBar, template: &str) {
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}
