use std::collections::VecDeque;
use std::time::{Duration, Instant};

use dunlin_core::{Direction, MigrationId, Progress};

use crate::{Build, Running};

/// The migrations that this process has begun and not ended. Those that travel in one flight begin at once and end one after the other.
#[derive(Debug, Default)]
pub(crate) struct Live {
    begun: VecDeque<Begun>,
    /// When the one before the first has ended.
    free_since: Option<Instant>,
}

/// One of them.
#[derive(Debug)]
struct Begun {
    at: Instant,
    running: Running,
    pace: Pace,
}

impl Live {
    /// Takes in what a run tells.
    pub(crate) fn note(&mut self, progress: &Progress<'_>) {
        match progress {
            // What was begun before was undone with the connection, or with the transaction of another that failed.
            Progress::Planned { .. } | Progress::Reconnecting { .. } => self.clear(),
            Progress::Started { id, direction, .. } => self.start(id, *direction),
            Progress::Finished { id, .. } => {
                self.begun.retain(|begun| begun.running.id != **id);
                self.free_since = Some(Instant::now());
            }
            Progress::Statement { id, number, of, .. } => self.of(id, |begun| {
                begun.running.statement = Some((*number, *of));
                begun.running.build = None;
            }),
            Progress::Advanced { id, done, total, .. } => self.of(id, |begun| {
                begun.running.advanced = Some((*done, *total));
                begun.pace.note(*done);
            }),
            Progress::Building { id, phase, done, total, waits_for, .. } => self.of(id, |begun| {
                begun.running.build = Some(Build::new(*phase, *done, *total, *waits_for));
            }),
            Progress::Retrying { id, blockers, .. } => self.of(id, |begun| {
                begun.running.retries = begun.running.retries.saturating_add(1);
                begun.running.blockers = blockers.iter().map(ToString::to_string).collect();
            }),
            _ => {}
        }
    }

    fn start(&mut self, id: &MigrationId, direction: Direction) {
        // One that is tried again keeps its count.
        if !self.begun.iter().any(|begun| begun.running.id == *id) {
            let running = Running::new(id.clone(), direction);
            self.begun.push_back(Begun { at: Instant::now(), running, pace: Pace::default() });
        }
    }

    fn of(&mut self, id: &MigrationId, change: impl FnOnce(&mut Begun)) {
        if let Some(begun) = self.begun.iter_mut().find(|begun| begun.running.id == *id) {
            change(begun);
        }
    }

    /// Nothing is under way.
    pub(crate) fn clear(&mut self) {
        (self.begun, self.free_since) = (VecDeque::new(), None);
    }

    /// The one whose turn it is.
    pub(crate) fn running(&self) -> Option<Running> {
        let Begun { at, running, pace } = self.begun.front()?;
        let since = self.free_since.map_or(*at, |free| free.max(*at));
        let mut running = running.clone();
        running.elapsed = since.elapsed();
        if let Some((done, total)) = running.advanced {
            running.rate = pace.rate();
            running.left = pace.left(done, total);
        }
        Some(running)
    }

    /// Its id.
    pub(crate) fn id(&self) -> Option<&MigrationId> {
        self.begun.front().map(|begun| &begun.running.id)
    }
}

/// How fast work is done that is counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace {
    /// When it was first counted, and how much it was then.
    first: Option<(Instant, u64)>,
    last: Option<(Instant, u64)>,
}

/// A rate of less time than this is none.
const LEAST: Duration = Duration::from_millis(200);

impl Pace {
    pub(crate) fn note(&mut self, done: u64) {
        let now = (Instant::now(), done);
        self.first.get_or_insert(now);
        self.last = Some(now);
    }

    /// Units in a second.
    pub(crate) fn rate(&self) -> Option<f64> {
        let ((began, before), (now, done)) = (self.first?, self.last?);
        let took = now.saturating_duration_since(began);
        #[expect(clippy::as_conversions, reason = "a rate need not be exact past 2^52")]
        let done = done.saturating_sub(before) as f64;
        (took >= LEAST && done > 0.0).then(|| done / took.as_secs_f64())
    }

    /// How long the rest takes.
    pub(crate) fn left(&self, done: u64, total: u64) -> Option<Duration> {
        #[expect(clippy::as_conversions, reason = "a rate need not be exact past 2^52")]
        let left = total.saturating_sub(done) as f64;
        Duration::try_from_secs_f64(left / self.rate()?).ok()
    }
}
