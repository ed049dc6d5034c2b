use std::fmt;
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use dunlin_core::{Connect, Migrator, Stop};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::book::Book;
use crate::builder::Settings;
use crate::work::Work;
use crate::{Changes, NotReady, Phase, Snapshot, StartupBuilder};

/// How old what is known of the history may be when somebody asks for it.
const FRESH: Duration = Duration::from_secs(1);

/// The start of a service: its migrations run in a task of their own while the service answers, and what is known of them is here.
///
/// Clones are the same start. The task ends with the last of them.
#[derive(Clone)]
pub struct Startup(Arc<Owner>);

impl Startup {
    /// A start with this migrator, on connections from here: those of `dunlin_core::Direct` for a configuration, of
    /// `dunlin_deadpool::Pooled` for a pool.
    ///
    /// A migrator whose runs something else is to [stop](Migrator::stop_on), too, keeps that.
    #[expect(clippy::new_ret_no_self, reason = "a start has settings, and begins with `start`")]
    pub fn new(connect: impl Connect + 'static, migrator: Migrator) -> StartupBuilder {
        StartupBuilder { connect: Arc::new(connect), migrator, settings: Settings::default() }
    }

    pub(crate) fn begin(builder: StartupBuilder) -> Self {
        let StartupBuilder { connect, migrator, settings } = builder;
        let shared = Arc::new(Shared::new(&migrator, settings));
        let observer = Arc::clone(&shared);
        let stop = migrator.stop().child();
        let migrator = migrator.stop_on(&stop).on_progress(move |progress| observer.note(&progress));
        let work = Work { shared: Arc::clone(&shared), migrator, connect, settings };
        let task = tokio::spawn(work.clone().run());
        Self(Arc::new(Owner { shared, work, stop, task: Mutex::new(Some(task)) }))
    }

    /// Whether the service may be sent requests. It asks nobody, and costs next to nothing.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.0.shared.with(|book| book.is_ready())
    }

    /// What is being done.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.0.shared.with(|book| book.phase())
    }

    /// What stands between here and ready, in one sentence for people; nothing when it is ready.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        self.0.shared.with(|book| book.reason())
    }

    /// Whether the start is over, so that only what may go on in the background is left: it is done or was ready once.
    #[must_use]
    pub fn has_started(&self) -> bool {
        self.0.shared.with(|book| book.has_started())
    }

    /// Whether nothing is under way any more because it was [told to end](Self::shutdown). Whatever its phase: what was done stays done, and
    /// what has failed says why.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.0.shared.with(|book| !book.is_under_way())
    }

    /// All that this process knows. It asks nobody.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.0.shared.with(|book| book.snapshot())
    }

    /// [`snapshot`](Self::snapshot) after a look at the history, the event log and the backfills, unless what is known of them is younger
    /// than a second. What can't be read within two seconds is told as [`unread`](Snapshot::unread).
    ///
    /// However many ask at once, the server is asked once.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection and leaves nothing behind.
    pub async fn refresh(&self) -> Snapshot {
        self.0.work.refresh(FRESH).await;
        self.snapshot()
    }

    /// The snapshots, as it goes on.
    #[must_use]
    pub fn progress(&self) -> Changes {
        Changes::new(self.clone(), self.0.shared.changes.subscribe(), Arc::clone(&self.0.shared.watchers))
    }

    /// Waits until the service may be sent requests.
    ///
    /// # Errors
    ///
    /// [`NotReady`] once it will not be by itself: the start has failed, or was asked to stop.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn wait_ready(&self) -> Result<(), NotReady> {
        let mut changes = self.0.shared.changes.subscribe();
        loop {
            changes.borrow_and_update();
            let (is_ready, phase) = self.0.shared.with(|book| (book.is_ready(), book.phase()));
            match phase {
                _ if is_ready => return Ok(()),
                Phase::Failed | Phase::Stopping | Phase::Stopped => {
                    return Err(NotReady::new(self.snapshot()));
                }
                _ => {}
            }
            if changes.changed().await.is_err() {
                return Err(NotReady::new(self.snapshot()));
            }
        }
    }

    /// Ends it, as a service does that was told to end: it is not ready any more, the run stops where nothing is half done, between two
    /// migrations, statements or batches, frees the lock, and the next replica goes on. A run that does not come to such a place within the
    /// [grace](StartupBuilder::grace) is cut off: what the server is at is undone, or named in the history.
    ///
    /// It comes back when the task has ended: within the grace and some milliseconds.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the stop asked for, and the task to end by itself.
    pub async fn shutdown(&self) {
        let Owner { shared, stop, task, .. } = &*self.0;
        shared.change(|book| book.stopping());
        stop.stop();
        let running = task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(mut running) = running {
            let grace = self.0.work.settings.grace;
            if tokio::time::timeout(grace, &mut running).await.is_err() {
                running.abort();
                let _ = running.await;
                shared.change(Book::cut_off);
            }
        }
        let mut changes = shared.changes.subscribe();
        // Another caller may be waiting for the task.
        while shared.with(|book| book.is_under_way()) && changes.changed().await.is_ok() {}
    }
}

impl fmt::Debug for Startup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Startup").field("phase", &self.phase()).finish_non_exhaustive()
    }
}

/// What a start is made of, and who ends it.
struct Owner {
    shared: Arc<Shared>,
    work: Work,
    stop: Stop,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task.take() {
            task.abort();
        }
    }
}

/// What the task and those who ask have in common.
pub(crate) struct Shared {
    book: Mutex<Book>,
    /// Counts what has changed.
    changes: watch::Sender<u64>,
    /// Held by who reads the history.
    pub(crate) reading: tokio::sync::Mutex<()>,
    /// Held by everybody who looks on.
    watchers: Arc<()>,
}

impl Shared {
    fn new(migrator: &Migrator, settings: Settings) -> Self {
        Self {
            book: Mutex::new(Book::new(migrator, settings)),
            changes: watch::Sender::new(0),
            reading: tokio::sync::Mutex::default(),
            watchers: Arc::default(),
        }
    }

    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Book) -> T) -> T {
        look(&mut self.book.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Writes something into the book, and tells everybody.
    pub(crate) fn change<T>(&self, write: impl FnOnce(&mut Book) -> T) -> T {
        let standing = |book: &Book| (book.phase(), book.is_ready());
        let (written, stands) = self.with(|book| {
            let before = standing(book);
            let written = write(book);
            (written, (standing(book) != before).then(|| book.snapshot()))
        });
        if let Some(snapshot) = stands {
            tracing::info!(phase = snapshot.phase.as_str(), ready = snapshot.ready, "the start goes on");
            crate::metrics::stands(&snapshot);
        }
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
        written
    }

    /// Whether somebody looks on.
    pub(crate) fn is_watched(&self) -> bool {
        Arc::strong_count(&self.watchers) > 1
    }

    fn note(&self, progress: &dunlin_core::Progress<'_>) {
        crate::metrics::note(progress);
        self.change(|book| book.note(progress));
    }
}
