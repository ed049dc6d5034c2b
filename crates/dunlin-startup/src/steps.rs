use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

use dunlin_core::{FindingKind, MigrationId, MigrationSet, Origin, RecordState, State, Status};

use crate::{Step, StepState, Verdict};

/// How each migration stands, as far as this process knows.
#[derive(Debug)]
pub(crate) struct Steps {
    /// What the program has, and whether each says how it is verified.
    known: Vec<(MigrationId, bool)>,
    /// What the history held when it was last read, in the order of application.
    read: Vec<Step>,
    has_read: bool,
    /// What this process has applied since, and reverted.
    applied: HashMap<i64, (SystemTime, Duration)>,
    reverted: HashSet<i64>,
    /// Whether everything of the program is known to be applied.
    all_applied: bool,
}

/// What else is known at a moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Now<'a> {
    pub(crate) running: Option<&'a MigrationId>,
    pub(crate) failed: Option<&'a MigrationId>,
    pub(crate) application: Option<&'a str>,
}

impl Steps {
    pub(crate) fn new(set: &MigrationSet) -> Self {
        let known = set
            .iter()
            .map(|migration| {
                // Whether a hook in Rust checks anything can't be seen: the core takes it to.
                let verifies = migration.as_sql().is_none_or(dunlin_core::SqlMigration::has_verify);
                (migration.id().clone(), verifies)
            })
            .collect();
        Self {
            known,
            read: Vec::new(),
            has_read: false,
            applied: HashMap::new(),
            reverted: HashSet::new(),
            all_applied: false,
        }
    }

    /// The history was read.
    pub(crate) fn read(&mut self, status: &Status) {
        let verifies: HashMap<i64, bool> =
            self.known.iter().map(|(id, verifies)| (id.version(), *verifies)).collect();
        let others: HashMap<i64, StepState> = status
            .findings()
            .iter()
            .filter_map(|finding| {
                let state = match finding.kind() {
                    FindingKind::Ahead => StepState::Ahead,
                    FindingKind::Missing => StepState::Missing,
                    _ => return None,
                };
                Some((finding.id().version(), state))
            })
            .collect();
        self.read = status
            .records()
            .iter()
            .map(|record| {
                let version = record.id().version();
                let state = match (record.state(), others.get(&version)) {
                    (_, Some(other)) => *other,
                    (RecordState::Applied, None) => StepState::Applied,
                    (_, None) => StepState::HalfApplied,
                };
                let mut step = Step::new(record.id().clone(), state);
                step.verdict = match (verifies.get(&version), record.origin(), state) {
                    (Some(true), Origin::Run, StepState::Applied) => Verdict::Verified,
                    (Some(true), _, _) => Verdict::Unverified,
                    _ => Verdict::None,
                };
                step.applied_at = Some(record.applied_at());
                step.took = (record.origin() == Origin::Run).then(|| record.took());
                step.application = record.application().map(str::to_owned);
                step.statements_done = (state == StepState::HalfApplied).then(|| record.statements_done());
                step
            })
            .collect();
        self.has_read = true;
        self.applied.clear();
        self.reverted.clear();
        self.all_applied = matches!(status.state(), State::Current | State::Ahead);
    }

    /// This process has applied one.
    pub(crate) fn apply(&mut self, id: &MigrationId, took: Duration) {
        self.reverted.remove(&id.version());
        self.applied.insert(id.version(), (SystemTime::now(), took));
    }

    /// This process has reverted one.
    pub(crate) fn revert(&mut self, id: &MigrationId) {
        self.applied.remove(&id.version());
        self.reverted.insert(id.version());
    }

    /// Those that will be done are these; all others of the program are applied.
    pub(crate) fn plan<'a>(&mut self, steps: impl Iterator<Item = &'a MigrationId>) {
        if !self.has_read {
            let planned: HashSet<i64> = steps.map(MigrationId::version).collect();
            let known = self.known.iter().filter(|(id, _)| !planned.contains(&id.version()));
            self.read = known.map(|(id, _)| Step::new(id.clone(), StepState::Applied)).collect();
        }
    }

    /// Everything of the program is applied, whoever has done it.
    pub(crate) fn finish(&mut self) {
        self.all_applied = true;
    }

    /// All of them.
    pub(crate) fn at(&self, now: Now<'_>) -> Vec<Step> {
        let is = |id: &MigrationId, other: Option<&MigrationId>| {
            other.is_some_and(|other| other.version() == id.version())
        };
        let mut steps: Vec<Step> =
            self.read.iter().filter(|step| !self.reverted.contains(&step.id.version())).cloned().collect();
        let mut seen: HashSet<i64> = steps.iter().map(|step| step.id.version()).collect();
        // What was half applied when the history was read may be done by now.
        for step in &mut steps {
            if let Some(done) = self.applied.get(&step.id.version()) {
                self.note_applied(step, *done, now.application);
            }
        }
        let rest = self.known.iter().filter(|(id, _)| seen.insert(id.version()));
        steps.extend(rest.map(|(id, _)| {
            let mut step = Step::new(id.clone(), StepState::Pending);
            match self.applied.get(&id.version()) {
                Some(done) => self.note_applied(&mut step, *done, now.application),
                None if self.all_applied => step.state = StepState::Applied,
                None => {}
            }
            step
        }));
        for step in &mut steps {
            if step.state != StepState::Applied && is(&step.id, now.failed) {
                step.state = StepState::Failed;
            } else if step.state != StepState::Applied && is(&step.id, now.running) {
                step.state = StepState::Running;
            }
        }
        steps
    }

    fn note_applied(&self, step: &mut Step, (at, took): (SystemTime, Duration), application: Option<&str>) {
        let verifies = self.known.iter().any(|(id, verifies)| *verifies && id.version() == step.id.version());
        step.state = StepState::Applied;
        step.verdict = if verifies { Verdict::Verified } else { Verdict::None };
        (step.applied_at, step.took) = (Some(at), Some(took));
        (step.application, step.statements_done) = (application.map(str::to_owned), None);
    }
}
