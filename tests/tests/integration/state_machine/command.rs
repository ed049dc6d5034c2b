//! The commands, and what each should make of a database.

use dunlin::Target;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::Union;
use proptest_state_machine::ReferenceStateMachine;

use super::model::{Model, NEWEST, PAUSE, up_to};

#[derive(Clone, Debug)]
pub(super) enum Command {
    /// Runs a set, which may lack some files.
    Migrate { set: Vec<i64>, target: Target },
    /// Edits a file. Where it is applied, runs everything, is refused, and restores the file.
    Edit { version: i64 },
    /// Runs everything up to a version, and one of the migrations fails.
    Fail { newest: i64, version: i64 },
    /// Runs everything up to a version, is cut in the middle of a migration, and runs again.
    Cut { newest: i64, version: i64, cut: Cut },
    /// Runs everything up to a version, is dropped after so many polls, and runs again.
    Drop { newest: i64, polls: usize },
    /// Declares that everything up to a target is applied.
    Stamp { newest: i64, target: Target },
}

/// How a run ends before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// `pg_terminate_backend`.
    Terminate,
    /// The task that runs it is aborted.
    Abort,
    /// The task of its connection is aborted, and the server finds out by itself.
    Kill,
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Command;

    fn init_state() -> BoxedStrategy<Self> {
        Just(Self::default()).boxed()
    }

    fn transitions(model: &Self) -> BoxedStrategy<Command> {
        let newest = || select(up_to(NEWEST));
        let whole = newest().prop_map(up_to);
        let lacking = subsequence(up_to(NEWEST), 4..=5);
        let migrate = (prop_oneof![3 => whole.boxed(), 1 => lacking.boxed()], target())
            .prop_map(|(set, target)| Command::Migrate { set, target });
        let edit = newest().prop_map(|version| Command::Edit { version });
        let stamp = (newest(), target()).prop_map(|(newest, target)| Command::Stamp { newest, target });
        let mut commands = vec![(4, migrate.boxed()), (1, edit.boxed()), (1, stamp.boxed())];

        // What can go wrong on the way to somewhere.
        let ups: Vec<_> = up_to(NEWEST)
            .into_iter()
            .flat_map(|newest| model.ups(newest).into_iter().map(move |up| (newest, up)))
            .collect();
        if !ups.is_empty() {
            let up = || select(ups.clone());
            let fail = up().prop_map(|(newest, version)| Command::Fail { newest, version });
            let cut = select(vec![
                Cut::Terminate,
                Cut::Terminate,
                Cut::Terminate,
                Cut::Abort,
                Cut::Abort,
                Cut::Kill,
            ]);
            let cut = (up(), cut).prop_map(|((newest, version), cut)| Command::Cut { newest, version, cut });
            let drop = (up(), 1..40_usize).prop_map(|((newest, _), polls)| Command::Drop { newest, polls });
            commands.extend([(3, fail.boxed()), (2, cut.boxed()), (2, drop.boxed())]);
        }
        Union::new_weighted(commands).boxed()
    }

    fn preconditions(model: &Self, command: &Command) -> bool {
        match command {
            Command::Migrate { .. } | Command::Edit { .. } | Command::Stamp { .. } => true,
            Command::Drop { newest, .. } => !model.ups(*newest).is_empty(),
            Command::Fail { newest, version } => model.ups(*newest).contains(version),
            Command::Cut { newest, version, .. } => {
                let pauses = model.row(*version).and_then(|row| row.done).is_none_or(|done| done <= PAUSE);
                pauses && model.ups(*newest).contains(version)
            }
        }
    }

    fn apply(mut model: Self, command: &Command) -> Self {
        let steps = match command {
            Command::Migrate { set, target } => model.plan(set, *target),
            Command::Cut { newest, .. } | Command::Drop { newest, .. } => {
                model.plan(&up_to(*newest), Target::Latest)
            }
            Command::Fail { newest, version } => {
                let steps = model.plan(&up_to(*newest), Target::Latest).unwrap_or_default();
                model.fail(&steps, *version);
                Ok(Vec::new())
            }
            Command::Edit { version } => {
                if !model.is_applied(*version) {
                    model.edit(*version);
                }
                Ok(Vec::new())
            }
            Command::Stamp { newest, target } => {
                model.stamp(&up_to(*newest), *target);
                Ok(Vec::new())
            }
        };
        for step in steps.unwrap_or_default() {
            model.take(step);
        }
        model
    }
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        4 => Just(Target::Latest),
        2 => (1..=NEWEST).prop_map(Target::Version),
        2 => (-3..=-1_i64).prop_map(Target::Relative),
        1 => (1..=2_i64).prop_map(Target::Relative),
        1 => Just(Target::Base),
    ]
}
