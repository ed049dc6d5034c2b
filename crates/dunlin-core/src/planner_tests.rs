//! Every target and policy on a table of histories, without a database.

use std::time::{Duration, SystemTime};

use proptest::prelude::*;

use super::*;
use crate::checksum::Identity;
use crate::history::Origin;
use crate::policy::{Ahead, Edited, Missing, OutOfOrder};
use crate::{BoxError, Context, RustMigration, SqlMigration};

/// A set of reversible migrations of these versions.
fn set(versions: &[i64]) -> MigrationSet {
    let migration = |version: i64| {
        SqlMigration::new(version, format!("m{version}"), format!("SELECT {version}"))
            .unwrap()
            .with_down("SELECT 0")
            .unwrap()
    };
    let builder =
        versions.iter().fold(MigrationSet::builder(), |set, version| set.migration(migration(*version)));
    builder.build().unwrap()
}

/// A history in which these versions were applied in this order, as [`set`] has them.
fn history(versions: &[i64]) -> Vec<Record> {
    versions.iter().zip(1..).map(|(version, ordinal)| record(ordinal, *version)).collect()
}

fn record(ordinal: i64, version: i64) -> Record {
    let checksum = crate::Checksum::of_sql(&format!("SELECT {version}"));
    Record {
        ordinal,
        id: MigrationId::new(version, format!("m{version}")),
        state: RecordState::Applied,
        identity: checksum.identity(),
        raw: checksum.raw(),
        statements_done: 0,
        statements_digest: None,
        applied_at: SystemTime::UNIX_EPOCH,
        took: Duration::ZERO,
        applied_by: "owner".to_owned(),
        application: None,
        run_id: String::new(),
        origin: Origin::Run,
    }
}

fn steps(plan: Result<Plan, Error>) -> String {
    match plan {
        Ok(plan) => {
            let step = |step: &Step| match step.direction {
                Direction::Up => format!("+{}", step.id.version()),
                Direction::Down => format!("-{}", step.id.version()),
            };
            plan.steps.iter().map(step).collect::<Vec<_>>().join(" ")
        }
        Err(error) => format!("{:?}", error.kind()),
    }
}

fn planned(set: &MigrationSet, records: &[Record], target: Target) -> String {
    steps(plan(set, records, target, &Rules::default()))
}

#[test]
fn every_target_moves_every_history_to_where_it_says() {
    use Target::{Base, Latest, Relative, Version};
    let set = set(&[1, 2, 3, 4]);
    let cases: [(&[i64], Target, &str); 22] = [
        (&[], Latest, "+1 +2 +3 +4"),
        (&[1, 2], Latest, "+3 +4"),
        (&[1, 2, 3, 4], Latest, ""),
        (&[], Version(2), "+1 +2"),
        (&[1, 2], Version(2), ""),
        (&[1, 2, 3, 4], Version(2), "-4 -3"),
        (&[1, 2, 4, 3], Version(2), "-3 -4"),
        (&[1, 2, 4, 3], Version(3), "-4"),
        (&[1, 4], Version(2), "-4 +2"),
        (&[], Version(9), "Target"),
        (&[], Base, ""),
        (&[1, 2, 3], Base, "-3 -2 -1"),
        (&[3, 1, 2], Base, "-2 -1 -3"),
        (&[], Relative(2), "+1 +2"),
        (&[1], Relative(3), "+2 +3 +4"),
        (&[1], Relative(4), "Target"),
        (&[1, 2, 3], Relative(0), ""),
        (&[1, 2, 3], Relative(-1), "-3"),
        (&[1, 3, 2], Relative(-2), "-2 -3"),
        (&[1, 2], Relative(-3), "Target"),
        (&[1, 2], Relative(i64::MIN), "Target"),
        (&[1, 2], Relative(i64::MAX), "Target"),
    ];
    for (applied, target, expected) in cases {
        assert_eq!(planned(&set, &history(applied), target), expected, "{applied:?} to {target}");
    }
}

#[test]
fn each_policy_decides_about_its_own_difference_alone() {
    let known = set(&[1, 2, 3]);
    let rules = |change: fn(&mut Policies)| {
        let mut policies = Policies::default();
        change(&mut policies);
        Rules { policies, ..Rules::default() }
    };
    let with = |applied: &[i64], rules: Rules| steps(plan(&known, &history(applied), Target::Latest, &rules));

    // Late: 2 is not applied, 3 is.
    assert_eq!(with(&[1, 3], Rules::default()), "Diverged");
    assert_eq!(with(&[1, 3], rules(|policies| policies.out_of_order = OutOfOrder::Allow)), "+2");
    // A late one that the plan does not apply is in nobody's way.
    assert_eq!(planned(&known, &history(&[1, 3]), Target::Relative(-1)), "-3");
    assert_eq!(planned(&known, &history(&[1, 3]), Target::Version(1)), "-3");

    // Missing: the set has lost what stands between its own.
    assert_eq!(steps(plan(&set(&[1, 3]), &history(&[1, 2]), Target::Latest, &Rules::default())), "Diverged");
    let allowed = rules(|policies| policies.missing = Missing::Allow);
    assert_eq!(steps(plan(&set(&[1, 3]), &history(&[1, 2]), Target::Latest, &allowed)), "+3");

    // Ahead: an older program.
    assert_eq!(with(&[1, 2, 3, 4], Rules::default()), "");
    assert_eq!(with(&[1, 2, 3, 4], rules(|policies| policies.ahead = Ahead::Deny)), "Diverged");

    // Edited.
    let mut edited = history(&[1, 2, 3]);
    edited[1].identity = Identity::Revision(7);
    assert_eq!(planned(&known, &edited, Target::Latest), "Diverged");
    let allowed = rules(|policies| policies.edited = Edited::Allow);
    assert_eq!(steps(plan(&known, &edited, Target::Latest, &allowed)), "");
}

#[test]
fn findings_name_the_state() {
    let known = set(&[1, 2, 3]);
    let state_of = |records: &[Record]| {
        let findings = assess(&known, records, &Policies::default());
        state(&known, records, &findings).to_string()
    };
    assert_eq!(state_of(&history(&[])), "behind");
    assert_eq!(state_of(&history(&[1, 2])), "behind");
    assert_eq!(state_of(&history(&[1, 2, 3])), "current");
    assert_eq!(state_of(&history(&[1, 2, 3, 4])), "ahead");
    assert_eq!(state_of(&history(&[1, 3])), "diverged");
    let mut renamed = history(&[1, 2, 3]);
    renamed[0].id = MigrationId::new(1, "old_name");
    renamed[1].raw = Some(crate::Checksum::of_sql("SELECT 2 -- two").raw().unwrap());
    assert_eq!(state_of(&renamed), "current");
    let told: Vec<_> =
        assess(&known, &renamed, &Policies::default()).iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(told.join("\n"), @r"
    migration 1 (m1) was applied as `old_name`
    migration 2 (m2) was reformatted after it was applied: comments or white space differ
    ");
}

#[test]
fn a_migration_without_down_is_refused_before_anything_is_reverted() {
    let set = MigrationSet::builder()
        .sql(1, "m1", "SELECT 1")
        .migration(SqlMigration::new(2, "m2", "SELECT 2").unwrap().with_down("SELECT 0").unwrap())
        .build()
        .unwrap();
    let error = plan(&set, &history(&[1, 2]), Target::Base, &Rules::default()).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Irreversible);
    insta::assert_snapshot!(error, @"migration 1 (m1) can't be reverted: it has no down; nothing was done");
    let error = plan(&set, &history(&[1, 2, 3]), Target::Version(1), &Rules::default()).unwrap_err();
    insta::assert_snapshot!(error, @"migration 3 (m3) can't be reverted: this program does not know it; run one that does");
}

/// A migration of three statements outside a transaction, with a down.
fn outside(up: &str) -> MigrationSet {
    let migration = SqlMigration::new(1, "outside", format!("-- dunlin: no-transaction\n{up}")).unwrap();
    let migration = migration.with_down("-- dunlin: no-transaction\nSELECT 3; SELECT 2; SELECT 1").unwrap();
    MigrationSet::builder().migration(migration).sql(2, "next", "SELECT 9").build().unwrap()
}

fn half(set: &MigrationSet, state: RecordState, done: usize) -> Vec<Record> {
    let migration = &*set.find(1).unwrap().migration;
    let journal = match state {
        RecordState::Reverting => Journal::of_down(migration),
        _ => Journal::of_up(migration),
    };
    let mut row = record(1, 1);
    row.id = MigrationId::new(1, "outside");
    (row.state, row.statements_done, row.statements_digest) = (state, done, Some(journal.digest(done)));
    vec![row]
}

#[test]
fn what_was_begun_outside_a_transaction_is_finished_first() {
    let set = outside("SELECT 1; SELECT 2; SELECT 3");
    let plan = |records: &[Record], target| plan(&set, records, target, &Rules::default());
    let resumed = plan(&half(&set, RecordState::Failed, 2), Target::Latest).unwrap();
    assert_eq!(resumed.steps[0].resume_at, Some(2));
    assert_eq!(steps(Ok(resumed)), "+1 +2");
    assert_eq!(steps(plan(&half(&set, RecordState::Running, 0), Target::Version(1))), "+1");
    // A revert that was begun is finished by a target that reverts, never by a boot.
    let records = half(&set, RecordState::Reverting, 1);
    let reverting = plan(&records, Target::Relative(-1)).unwrap();
    assert_eq!(reverting.steps[0].resume_at, Some(1));
    assert_eq!(steps(Ok(reverting)), "-1");
    for target in [Target::Latest, Target::Version(1), Target::Relative(1)] {
        let error = plan(&records, target).unwrap_err();
        insta::allow_duplicates! {
            insta::assert_snapshot!(error, @"migration 1 (outside) is half reverted: finish it with a target that reverts it (`Relative(-1)`), or declare with `stamp` what is true; a boot goes forward only");
        }
    }
    assert_eq!(steps(plan(&half(&set, RecordState::Failed, 2), Target::Base)), "-1");
}

#[test]
fn a_statement_that_has_run_may_not_change_but_the_next_one_may() {
    let records = half(&outside("SELECT 1; SELECT 2; SELECT 3"), RecordState::Failed, 2);
    let mended = outside("SELECT 1 /* done */; SELECT 2; SELECT 33");
    assert_eq!(planned(&mended, &records, Target::Latest), "+1 +2");
    let changed = outside("SELECT 1; SELECT 22; SELECT 3");
    let error = plan(&changed, &records, Target::Latest, &Rules::default()).unwrap_err();
    insta::assert_snapshot!(error, @"migration 1 (outside) was edited in the first 2 of its statements, which have already run: restore them and change only those that follow");
}

#[test]
fn what_was_begun_outside_a_transaction_stays_outside() {
    let records = half(&outside("SELECT 1; SELECT 2; SELECT 3"), RecordState::Failed, 2);
    let inside = MigrationSet::builder().sql(1, "outside", "SELECT 1; SELECT 2; SELECT 3").build().unwrap();
    let error = plan(&inside, &records, Target::Latest, &Rules::default()).unwrap_err();
    insta::assert_snapshot!(error, @"migration 1 (outside) was begun outside a transaction and is not finished: keep its `-- dunlin: no-transaction` until it is, or declare with `stamp` what is true");
}

#[test]
fn a_stamp_declares_edited_and_lost_migrations_anew() {
    let mut records = history(&[1, 2, 3, 9]);
    records[0].identity = Identity::Revision(7);
    let stamped = |target| steps(stamp(&set(&[1, 3, 4]), &records, target));
    assert_eq!(stamped(Target::Latest), "-1 +1 -2 +4");
    assert_eq!(stamped(Target::Version(3)), "-9 -1 +1 -2");
    assert_eq!(stamped(Target::Base), "-9 -3 -2 -1");
}

#[test]
fn all_or_nothing_refuses_what_it_can_not_undo() {
    let rules = Rules { transaction: TransactionPolicy::AllOrNothing, ..Rules::default() };
    let error = plan(&outside("SELECT 1"), &[], Target::Latest, &rules).unwrap_err();
    insta::assert_snapshot!(error, @"migration 1 (outside) runs outside a transaction, which `TransactionPolicy::AllOrNothing` can't undo: run it with `TransactionPolicy::PerMigration`");
}

#[test]
fn a_plan_reads_well() {
    let set = outside("SELECT 1; SELECT 2; SELECT 3");
    let planned = plan(&set, &half(&set, RecordState::Failed, 2), Target::Latest, &Rules::default()).unwrap();
    insta::assert_snapshot!(planned, @r"
    plan to latest: 2 to apply
      up    1  outside, outside a transaction, resumed after 2 of its statements
      up    2  next
      note: migration 1 (outside) is half applied: 2 of its statements are done
    ");
}

struct Coded;

impl RustMigration for Coded {
    const REVISION: u32 = 3;

    async fn up(&self, _: &Context<'_>) -> Result<(), BoxError> {
        Ok(())
    }
}

#[test]
fn a_rust_migration_is_compared_by_its_revision() {
    let set = MigrationSet::builder().rust(1, "coded", Coded).build().unwrap();
    let mut rows = history(&[1]);
    rows[0].id = MigrationId::new(1, "coded");
    rows[0].identity = Identity::Revision(3);
    assert_eq!(planned(&set, &rows, Target::Latest), "");
    rows[0].identity = Identity::Revision(2);
    assert_eq!(planned(&set, &rows, Target::Latest), "Diverged");
}

/// Some versions in some order, each once.
fn versions() -> impl Strategy<Value = Vec<i64>> {
    prop::collection::btree_set(1_i64..12, 0..8).prop_flat_map(|set| Just(Vec::from_iter(set)).prop_shuffle())
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        Just(Target::Latest),
        Just(Target::Base),
        (1_i64..12).prop_map(Target::Version),
        (-5_i64..5).prop_map(Target::Relative),
    ]
}

proptest! {
    /// Whatever is applied in whatever order: a plan that is made leads to its target, and a second one does nothing.
    #[test]
    fn a_plan_reaches_its_target(known in versions(), applied in versions(), target in target()) {
        let set = set(&known);
        let policies = Policies { out_of_order: OutOfOrder::Allow, missing: Missing::Allow, ..Policies::default() };
        let rules = Rules { policies, ..Rules::default() };
        let before = history(&applied);
        if let Ok(plan) = plan(&set, &before, target, &rules) {
            let mut after = applied.clone();
            for step in &plan.steps {
                match step.direction {
                    Direction::Up => {
                        prop_assert!(!after.contains(&step.id.version()));
                        after.push(step.id.version());
                    }
                    Direction::Down => {
                        let gone = after.iter().position(|version| *version == step.id.version());
                        prop_assert!(gone.is_some());
                        after.remove(gone.unwrap());
                    }
                }
            }
            let holds = |version: &i64| after.contains(version);
            match target {
                Target::Latest => prop_assert!(known.iter().all(holds)),
                Target::Base => prop_assert!(after.is_empty()),
                Target::Version(version) => {
                    prop_assert!(known.iter().all(|known| holds(known) == (*known <= version)));
                    prop_assert!(after.iter().all(|after| *after <= version));
                }
                Target::Relative(steps) => {
                    let moved = i64::try_from(after.len()).unwrap() - i64::try_from(applied.len()).unwrap();
                    prop_assert_eq!(moved, steps);
                }
            }
            if !matches!(target, Target::Relative(_)) {
                let again = super::plan(&set, &history(&after), target, &rules).unwrap();
                prop_assert!(again.is_empty());
            }
        }
    }
}
