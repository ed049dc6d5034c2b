use std::time::{Duration, Instant, SystemTime};

use dunlin_core::{
    BackfillProgress, BackfillState, Direction, Error, ErrorKind, LogEntry, MigrationId, Migrator, Progress,
    Report, State, Status,
};

use crate::builder::Settings;
use crate::live::{Live, Pace};
use crate::log::Log;
use crate::steps::{Now, Steps};
use crate::{Backfill, Failure, LockWait, OverBudget, Phase, PutOff, Snapshot, WhenAhead};

/// All that is known of a start. It is written by the task that works and by whoever reads the history, and asked by everybody.
#[derive(Debug)]
pub(crate) struct Book {
    settings: Settings,
    application: Option<String>,
    started_at: SystemTime,
    began: Instant,
    /// How long it has taken, once it is over.
    took: Option<Duration>,
    phase: Phase,
    /// Whether the budget is spent, and the service ready all the same.
    is_over_budget: bool,
    has_started: bool,
    /// Whether the task has ended.
    has_ended: bool,
    state: Option<State>,
    /// What is done beside migrations: a hook is called, requirements are checked.
    doing: Option<String>,
    /// What it waits for, where that is no lock.
    waits_for: Option<String>,
    lock: Option<LockWait>,
    lock_waited: Duration,
    retries: u64,
    live: Live,
    steps: Steps,
    backfills: Vec<(Backfill, Pace, BackfillProgress)>,
    failure: Option<Failure>,
    findings: Vec<String>,
    log: Log,
    read_at: Option<(Instant, SystemTime)>,
    unread: Option<String>,
}

/// What was read of a database.
pub(crate) struct Reading {
    pub(crate) status: Status,
    pub(crate) events: Vec<LogEntry>,
    pub(crate) backfills: Vec<(MigrationId, BackfillProgress)>,
}

impl Book {
    pub(crate) fn new(migrator: &Migrator, settings: Settings) -> Self {
        Self {
            settings,
            application: migrator.application_name().map(str::to_owned),
            started_at: SystemTime::now(),
            began: Instant::now(),
            took: None,
            phase: Phase::Starting,
            is_over_budget: false,
            has_started: false,
            has_ended: false,
            state: None,
            doing: None,
            waits_for: None,
            lock: None,
            lock_waited: Duration::ZERO,
            retries: 0,
            live: Live::default(),
            steps: Steps::new(migrator.set()),
            backfills: Vec::new(),
            failure: None,
            findings: Vec::new(),
            log: Log::default(),
            read_at: None,
            unread: None,
        }
    }
}

/// What is written.
impl Book {
    /// What a run tells.
    pub(crate) fn note(&mut self, progress: &Progress<'_>) {
        self.live.note(progress);
        self.log.note(progress);
        self.doing = doing(progress);
        match progress {
            Progress::WaitingForLock { waited, holder, .. } => {
                self.turn(Phase::WaitingForLock);
                self.waits_for = None;
                self.lock = Some(LockWait::new(*waited, holder.map(ToString::to_string)));
            }
            Progress::Planned { plan, .. } => {
                self.goes_on(Phase::Migrating);
                self.state = Some(plan.state());
                self.steps.plan(plan.steps().iter().map(dunlin_core::Step::id));
            }
            Progress::Started { .. } => self.goes_on(Phase::Migrating),
            Progress::Finished { id, direction: Direction::Up, took, .. } => self.steps.apply(id, *took),
            Progress::Finished { id, direction: Direction::Down, .. } => self.steps.revert(id),
            Progress::Advanced { id, done, total, .. } => self.advance(id, *done, *total),
            Progress::Reconnecting { .. } => {
                self.turn(Phase::WaitingForServer);
                self.waits_for = Some("the connection to the server was lost".to_owned());
            }
            Progress::Gated { backfill, .. } => self.backfill(backfill).0.state = BackfillState::Running,
            Progress::Retrying { .. } => self.retries = self.retries.saturating_add(1),
            _ => {}
        }
    }

    /// It can't be done now, and is tried again.
    pub(crate) fn waits(&mut self, error: &Error) {
        self.live.clear();
        self.has_lock();
        // The schema is there: what waits in the background is no reason to take the service away.
        if self.phase != Phase::Backfilling {
            self.turn(match error.kind() {
                ErrorKind::LockTimeout => Phase::WaitingForLock,
                _ => Phase::WaitingForServer,
            });
        }
        // The cause says which of what may be wrong it is.
        let why = text(error);
        self.waits_for = Some(why.clone());
        self.log.add("waiting", None, Some(why));
    }

    /// The migrations are done.
    pub(crate) fn migrated(&mut self, report: &Report, then: Phase) {
        self.goes_on(then);
        self.live.clear();
        self.state = Some(report.state());
        self.steps.finish();
        self.settle();
    }

    /// What was put off is done.
    pub(crate) fn backfilled(&mut self) {
        self.goes_on(Phase::Done);
        self.failure = None;
        self.settle();
    }

    /// What was put off can't be done now, and is tried again.
    pub(crate) fn not_backfilled(&mut self, error: &Error) {
        self.failure = Some(failure(error));
        self.log.add("failed", error.migration(), Some(text(error)));
    }

    /// It has come to an end before it was done.
    pub(crate) fn failed(&mut self, error: &Error) {
        self.live.clear();
        self.has_lock();
        let what = match error.kind() {
            ErrorKind::Stopped => "stopped",
            _ => {
                self.failure.get_or_insert_with(|| failure(error));
                "failed"
            }
        };
        self.log.add(what, error.migration(), Some(error.to_string()));
        self.phase = match (self.phase, &self.failure) {
            (Phase::Stopping, _) | (_, None) => Phase::Stopped,
            (_, Some(_)) => Phase::Failed,
        };
        self.settle();
    }

    /// The budget is spent.
    pub(crate) fn over_budget(&mut self, budget: Duration, then: OverBudget) {
        let text = format!("the start has taken longer than its budget of {budget:.1?}");
        self.log.add("over budget", None, Some(text.clone()));
        match then {
            OverBudget::KeepWaiting => {}
            OverBudget::Ready => self.is_over_budget = true,
            OverBudget::Fail => {
                let text = format!("{text}: start it again, which goes on, or raise the budget");
                (self.phase, self.failure) = (Phase::Failed, Some(Failure::new(text, "Budget")));
            }
        }
        self.settle();
    }

    /// It was told to stop.
    pub(crate) fn stopping(&mut self) {
        if !matches!(self.phase, Phase::Failed | Phase::Stopped | Phase::Stopping) {
            self.phase = Phase::Stopping;
            self.log.add("stopping", None, None);
        }
    }

    /// It did not stop in time.
    pub(crate) fn cut_off(&mut self) {
        let id = self.live.id().cloned();
        self.live.clear();
        self.log.add("cut off", id.as_ref(), Some("it did not stop within the grace".to_owned()));
        self.phase = Phase::Stopped;
        self.end();
    }

    /// Nothing works any more.
    pub(crate) fn end(&mut self) {
        self.has_ended = true;
        self.settle();
    }

    /// The history was read.
    pub(crate) fn read(&mut self, reading: Reading) {
        let Reading { status, events, backfills } = reading;
        self.steps.read(&status);
        self.state = Some(status.state());
        self.findings = status.findings().iter().map(ToString::to_string).collect();
        self.log.read(&events);
        for (id, progress) in backfills {
            let known = self.backfill(&id);
            let mut told = Backfill::new(id, progress.state, progress.done, progress.total);
            (told.rate, told.left, told.note) = (progress.rate, progress.left, progress.note.clone());
            (known.0, known.2) = (told, progress);
        }
        (self.read_at, self.unread) = (Some((Instant::now(), SystemTime::now())), None);
    }

    /// The history could not be read.
    pub(crate) fn not_read(&mut self, why: String) {
        self.unread = Some(why);
        self.read_at = Some((Instant::now(), self.read_at.map_or(SystemTime::UNIX_EPOCH, |(_, at)| at)));
    }

    /// Is in another phase, unless it was told to stop or has failed.
    fn turn(&mut self, phase: Phase) {
        if !matches!(self.phase, Phase::Failed | Phase::Stopping | Phase::Stopped) {
            self.phase = phase;
        }
    }

    /// Waits for nothing any more.
    fn goes_on(&mut self, phase: Phase) {
        self.turn(phase);
        self.waits_for = None;
        self.has_lock();
    }

    /// Does not wait for the lock any more.
    fn has_lock(&mut self) {
        if let Some(lock) = self.lock.take() {
            self.lock_waited = self.lock_waited.saturating_add(lock.waited);
        }
    }

    /// Sees whether the start is over.
    fn settle(&mut self) {
        self.has_started |= self.is_ready();
        if matches!(self.phase, Phase::Done | Phase::Failed | Phase::Stopped) {
            self.took.get_or_insert(self.began.elapsed());
        }
    }

    /// What a backfill tells that this process works on.
    fn advance(&mut self, id: &MigrationId, done: u64, total: u64) {
        if self.phase != Phase::Backfilling && !self.backfills.iter().any(|known| known.0.id == *id) {
            return;
        }
        let (backfill, pace, _) = self.backfill(id);
        pace.note(done);
        (backfill.state, backfill.done, backfill.total) = (BackfillState::Running, done, total);
        (backfill.rate, backfill.left) = (pace.rate(), pace.left(done, total));
    }

    fn backfill(&mut self, id: &MigrationId) -> &mut (Backfill, Pace, BackfillProgress) {
        let place = match self.backfills.iter().position(|known| known.0.id.version() == id.version()) {
            Some(place) => place,
            None => {
                let place = self.backfills.partition_point(|known| known.0.id.version() < id.version());
                let progress = BackfillProgress::new(BackfillState::Waiting, 0, 0);
                let known = Backfill::new(id.clone(), progress.state, 0, 0);
                self.backfills.insert(place, (known, Pace::default(), progress));
                place
            }
        };
        // It was found or inserted there.
        #[expect(clippy::indexing_slicing, reason = "the place is one of the list")]
        &mut self.backfills[place]
    }
}

/// What is asked.
impl Book {
    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn has_started(&self) -> bool {
        self.has_started
    }

    pub(crate) fn is_under_way(&self) -> bool {
        !self.has_ended
    }

    pub(crate) fn is_older_than(&self, age: Duration) -> bool {
        self.read_at.is_none_or(|(read, _)| read.elapsed() >= age)
    }

    pub(crate) fn is_ready(&self) -> bool {
        match self.phase {
            Phase::Failed | Phase::Stopping | Phase::Stopped => false,
            Phase::Done => self.may_be_ahead(),
            Phase::Backfilling if self.settings.put_off != PutOff::BeforeReady => self.may_be_ahead(),
            _ => self.is_over_budget,
        }
    }

    fn may_be_ahead(&self) -> bool {
        self.settings.ahead == WhenAhead::Ready || self.state != Some(State::Ahead)
    }

    pub(crate) fn reason(&self) -> Option<String> {
        if self.is_ready() {
            return None;
        }
        Some(match (self.phase, &self.failure, &self.waits_for, &self.lock) {
            (Phase::Failed, Some(failure), _, _) => failure.text.clone(),
            (Phase::Done, _, _, _) => {
                "the database is ahead of this program, which may not serve it".to_owned()
            }
            (Phase::WaitingForServer | Phase::WaitingForLock, _, Some(why), _) => why.clone(),
            (Phase::WaitingForLock, _, None, Some(LockWait { holder: Some(holder), .. })) => {
                format!("another process migrates: {holder}")
            }
            (Phase::Migrating, _, _, _) => match (&self.doing, self.live.id()) {
                (Some(doing), _) => doing.clone(),
                (None, Some(id)) => format!("migration {id} runs"),
                (None, None) => Phase::Migrating.to_string(),
            },
            (phase, _, _, _) => phase.to_string(),
        })
    }

    /// How far the backfills are, and what they have slept for.
    pub(crate) fn backfills(&self) -> Vec<(MigrationId, BackfillProgress)> {
        let told = |(told, _, progress): &(Backfill, Pace, BackfillProgress)| {
            let mut progress = progress.clone();
            (progress.state, progress.done, progress.total) = (told.state, told.done, told.total);
            progress.rate = told.rate;
            (told.id.clone(), progress)
        };
        self.backfills.iter().map(told).collect()
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::new(self.started_at);
        snapshot.phase = self.phase;
        snapshot.ready = self.is_ready();
        snapshot.reason = self.reason();
        snapshot.state = self.state;
        snapshot.application.clone_from(&self.application);
        snapshot.at = SystemTime::now();
        snapshot.took = self.took.unwrap_or_else(|| self.began.elapsed());
        let waiting = self.lock.as_ref().map_or(Duration::ZERO, |lock| lock.waited);
        snapshot.lock_waited = self.lock_waited.saturating_add(waiting);
        snapshot.retries = self.retries;
        snapshot.lock.clone_from(&self.lock);
        snapshot.running = self.live.running();
        snapshot.failure.clone_from(&self.failure);
        snapshot.steps = self.steps.at(Now {
            running: self.live.id(),
            failed: self.failure.as_ref().and_then(|failure| failure.migration.as_ref()),
            application: self.application.as_deref(),
        });
        snapshot.backfills = self.backfills.iter().map(|(told, ..)| told.clone()).collect();
        snapshot.findings.clone_from(&self.findings);
        snapshot.events = self.log.events();
        snapshot.read_at = self.read_at.map(|(_, at)| at).filter(|at| *at != SystemTime::UNIX_EPOCH);
        snapshot.unread.clone_from(&self.unread);
        snapshot
    }
}

/// What is done beside migrations, until something else is told.
fn doing(progress: &Progress<'_>) -> Option<String> {
    match progress {
        Progress::Checking { requirements, .. } => {
            Some(format!("{requirements} requirements of the migrations are checked"))
        }
        Progress::Hook { point, id: Some(id), .. } => {
            Some(format!("a hook {point} migration {id} is called"))
        }
        Progress::Hook { point, id: None, .. } => Some(format!("a hook {point} the migrations is called")),
        _ => None,
    }
}

fn failure(error: &Error) -> Failure {
    let mut failure = Failure::new(text(error), format!("{:?}", error.kind()));
    failure.migration = error.migration().cloned();
    failure.location = error.location().cloned();
    failure.code = error.code().map(|code| code.code().to_owned());
    failure.blockers = error.blockers().iter().map(ToString::to_string).collect();
    failure
}

/// An error with its causes, which say what a hook in Rust has said.
fn text(error: &Error) -> String {
    format!("{error:?}").replace("\n  caused by: ", ": ")
}
