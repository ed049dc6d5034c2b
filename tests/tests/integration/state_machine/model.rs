//! What should be in a database.

use dunlin::{ErrorKind, Target};

/// The migrations are 1 to this. What each of them is says [`super::migrations`].
pub(super) const NEWEST: i64 = 6;

/// Those whose statements are committed one by one.
pub(super) const OUTSIDE: [i64; 2] = [3, 6];

/// The statement of a migration that waits or fails when it is asked to.
pub(super) const PAUSE: usize = 1;
const TRIP: usize = 2;

/// The history, what the migrations have done, and the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) rows: Vec<Row>,
    /// Every effect in the order in which it happened.
    pub(super) effects: Vec<String>,
    /// How often a file was edited, modulo 2.
    edits: [bool; 6],
}

/// A row of the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) version: i64,
    /// How many statements of a migration outside a transaction are done, if it has not come to its end.
    pub(super) done: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Up(i64),
    Down(i64),
}

impl Model {
    pub(super) fn is_edited(&self, version: i64) -> bool {
        usize::try_from(version - 1).is_ok_and(|at| self.edits[at])
    }

    pub(super) fn edit(&mut self, version: i64) {
        let at = usize::try_from(version - 1).unwrap();
        self.edits[at] = !self.edits[at];
    }

    pub(super) fn is_applied(&self, version: i64) -> bool {
        self.row(version).is_some_and(|row| row.done.is_none())
    }

    pub(super) fn row(&self, version: i64) -> Option<&Row> {
        self.rows.iter().find(|row| row.version == version)
    }

    /// The steps of a run with a set, with the default policies.
    pub(super) fn plan(&self, set: &[i64], target: Target) -> Result<Vec<Step>, ErrorKind> {
        let newest = set.iter().max().copied().unwrap_or(i64::MIN);
        let lost = |row: &&Row| !set.contains(&row.version) && (row.version < newest || row.done.is_some());
        if self.rows.iter().find(lost).is_some() {
            return Err(ErrorKind::Diverged);
        }
        let steps = self.movement(set, target)?;
        if steps.iter().any(|step| matches!(step, Step::Down(version) if !set.contains(version))) {
            return Err(ErrorKind::Irreversible);
        }
        let stays = |row: &&Row| !steps.contains(&Step::Down(row.version));
        let latest = self.rows.iter().filter(stays).map(|row| row.version).max();
        let late = |step: &Step| matches!(step, Step::Up(version) if self.row(*version).is_none() && latest > Some(*version));
        if steps.iter().any(late) { Err(ErrorKind::Diverged) } else { Ok(steps) }
    }

    /// What a boot with everything up to a version applies.
    pub(super) fn ups(&self, newest: i64) -> Vec<i64> {
        let steps = self.plan(&up_to(newest), Target::Latest).unwrap_or_default();
        steps.iter().map(|(Step::Up(version) | Step::Down(version))| *version).collect()
    }

    fn movement(&self, set: &[i64], target: Target) -> Result<Vec<Step>, ErrorKind> {
        let newest_first = self.rows.iter().rev().map(|row| row.version);
        let waiting = set.iter().copied().filter(|version| !self.is_applied(*version));
        let enough =
            |steps: Vec<Step>, asked| if steps.len() < asked { Err(ErrorKind::Target) } else { Ok(steps) };
        match target {
            Target::Latest => Ok(waiting.map(Step::Up).collect()),
            Target::Base => Ok(newest_first.map(Step::Down).collect()),
            Target::Version(version) if !set.contains(&version) => Err(ErrorKind::Target),
            Target::Version(version) => {
                let down = newest_first.filter(|above| *above > version).map(Step::Down);
                Ok(down.chain(waiting.filter(|below| *below <= version).map(Step::Up)).collect())
            }
            Target::Relative(steps) => {
                let asked = usize::try_from(steps.unsigned_abs()).unwrap();
                match steps < 0 {
                    true => enough(newest_first.take(asked).map(Step::Down).collect(), asked),
                    false => enough(waiting.take(asked).map(Step::Up).collect(), asked),
                }
            }
            _ => unreachable!("no command has another target"),
        }
    }

    /// What a step does.
    pub(super) fn take(&mut self, step: Step) {
        match step {
            Step::Up(version) => {
                self.begin(version, up_effects(self, version).len());
                for row in self.rows.iter_mut().filter(|row| row.version == version) {
                    row.done = None;
                }
            }
            Step::Down(version) => {
                self.rows.retain(|row| row.version != version);
                self.effects.extend(down_effects(version));
            }
        }
    }

    /// What the statements of a migration do, up to one of them.
    fn begin(&mut self, version: i64, done: usize) {
        let before = self.row(version).and_then(|row| row.done).unwrap_or_default();
        let effects = up_effects(self, version).into_iter().take(done).skip(before);
        self.effects.extend(effects.flatten());
        self.rows.retain(|row| row.version != version || row.done.is_some());
        match self.rows.iter_mut().find(|row| row.version == version) {
            Some(row) => row.done = Some(done),
            None => self.rows.push(Row { version, done: Some(done) }),
        }
    }

    /// What a run that fails in a migration leaves behind.
    pub(super) fn fail(&mut self, steps: &[Step], version: i64) {
        for step in steps {
            if *step == Step::Up(version) {
                if OUTSIDE.contains(&version) {
                    self.begin(version, TRIP);
                }
                return;
            }
            self.take(*step);
        }
    }

    /// The rows of a stamp: the same movement, but nobody is asked. A migration that is declared anew goes to the end.
    pub(super) fn stamp(&mut self, set: &[i64], target: Target) {
        for step in self.movement(set, target).unwrap_or_default() {
            let (Step::Up(version) | Step::Down(version)) = step;
            self.rows.retain(|row| row.version != version);
            if step == Step::Up(version) {
                self.rows.push(Row { version, done: None });
            }
        }
    }

    /// Everything that can be seen between the steps of a plan, and in the middle of those outside a transaction.
    pub(super) fn on_the_way(&self, steps: &[Step]) -> Vec<Self> {
        let mut seen = vec![self.clone()];
        let mut model = self.clone();
        for step in steps {
            if let Step::Up(version) = *step
                && OUTSIDE.contains(&version)
            {
                let from = model.row(version).and_then(|row| row.done).unwrap_or_default();
                for done in from..=up_effects(&model, version).len() {
                    let mut half = model.clone();
                    half.begin(version, done);
                    seen.push(half);
                }
            }
            model.take(*step);
            seen.push(model.clone());
        }
        seen
    }
}

/// What each statement of a migration does to `effects`.
pub(super) fn up_effects(model: &Model, version: i64) -> Vec<Option<String>> {
    let end = if model.is_edited(version) { "edited" } else { "end" };
    vec![Some(format!("{version} begin")), None, None, Some(format!("{version} {end}"))]
}

pub(super) fn down_effects(version: i64) -> Vec<String> {
    vec![format!("{version} down"), format!("{version} gone")]
}

/// The files up to a version.
pub(super) fn up_to(newest: i64) -> Vec<i64> {
    (1..=newest).collect()
}
