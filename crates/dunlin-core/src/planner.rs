use crate::assess::{FindingKind, assess, state};
use crate::history::{Record, RecordState};
use crate::hooks::AroundEach;
use crate::journal::Journal;
use crate::plan::{Direction, Plan, Step};
use crate::policy::Policies;
use crate::set::Member;
use crate::transaction_policy::TransactionPolicy;
use crate::{Error, MigrationId, MigrationSet, Target, TransactionMode};

/// What a plan is made by, besides the set, the history and the target.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rules {
    pub(crate) policies: Policies,
    pub(crate) transaction: TransactionPolicy,
    pub(crate) around_each: AroundEach,
}

/// Decides what a run to `target` does. Pure: it sees values only.
pub(crate) fn plan(
    set: &MigrationSet,
    records: &[Record],
    target: Target,
    rules: &Rules,
) -> Result<Plan, Error> {
    let findings = assess(set, records, &rules.policies);
    // A late migration matters only to a plan that applies it: it is looked at again below.
    let denied: Vec<_> = findings
        .iter()
        .filter(|finding| finding.is_denied() && !matches!(finding.kind, FindingKind::OutOfOrder { .. }))
        .cloned()
        .collect();
    if !denied.is_empty() {
        return Err(Error::diverged(denied));
    }

    let (down, up) = movement(set, records, target)?;
    // Down never happens without being named: a revert that was begun is finished by a target that reverts it, and
    // nothing is applied on top of it.
    let reverting = records.iter().find(|record| {
        record.state == RecordState::Reverting && !down.iter().any(|gone| gone.version() == record.version())
    });
    if let Some(record) = reverting {
        return Err(Error::half_reverted(record.id.clone()));
    }
    let mut steps = Vec::new();
    for record in &down {
        steps.push(down_step(set, record)?);
    }
    for member in &up {
        set.required_by(member)?;
        steps.push(up_step(member, records)?);
    }
    let late: Vec<_> = findings
        .iter()
        .filter(|finding| finding.is_denied())
        .filter(|finding| match &finding.kind {
            FindingKind::OutOfOrder { .. } => {
                let version = finding.id.version();
                let stays = |record: &&Record| !down.iter().any(|gone| gone.version() == record.version());
                let latest = records.iter().filter(stays).map(Record::version).max();
                up.iter().any(|member| member.version() == version) && latest > Some(version)
            }
            _ => true,
        })
        .cloned()
        .collect();
    if !late.is_empty() {
        return Err(Error::diverged(late));
    }
    if rules.transaction == TransactionPolicy::AllOrNothing
        && let Some(step) = steps.iter().find(|step| step.transaction == TransactionMode::None)
    {
        return Err(Error::outside_transaction(step.id.clone()));
    }
    if (rules.transaction, rules.around_each) == (TransactionPolicy::AllOrNothing, AroundEach::Called)
        && let Some(step) = steps.first()
    {
        return Err(Error::hooks_in_one_transaction(step.id.clone()));
    }
    let state = state(set, records, &findings);
    Ok(Plan { target: target.to_string(), state, steps, findings })
}

/// Decides what a stamp to `target` declares: the same movement, with nothing to run and no policy in the way.
pub(crate) fn stamp(set: &MigrationSet, records: &[Record], target: Target) -> Result<Plan, Error> {
    let (down, up) = movement(set, records, target)?;
    let declare = |id: &MigrationId, direction| Step {
        id: id.clone(),
        direction,
        transaction: TransactionMode::PerMigration,
        resume_at: None,
    };
    // Rows that say something else than the set, and rows that the set has lost, are declared anew or not at all.
    let newest = set.members().last().map_or(i64::MIN, Member::version);
    let stays = |record: &&Record| !down.iter().any(|gone| gone.version() == record.version());
    let untrue = records.iter().filter(stays).filter(|record| match set.find(record.version()) {
        Some(member) => record.state == RecordState::Applied && record.identity != member.identity,
        None => record.version() < newest,
    });
    let mut steps: Vec<_> = down.iter().map(|record| declare(&record.id, Direction::Down)).collect();
    for record in untrue {
        steps.push(declare(&record.id, Direction::Down));
        steps.extend(set.find(record.version()).map(|member| declare(member.id(), Direction::Up)));
    }
    steps.extend(up.iter().map(|member| declare(member.id(), Direction::Up)));
    let findings = assess(set, records, &Policies::default());
    Ok(Plan { target: target.to_string(), state: state(set, records, &findings), steps, findings })
}

/// Which rows go, in the order in which they go, and which migrations come.
fn movement<'a>(
    set: &'a MigrationSet,
    records: &'a [Record],
    target: Target,
) -> Result<(Vec<&'a Record>, Vec<&'a Member>), Error> {
    let newest_first = || records.iter().rev();
    let settled = |record: &&Record| record.state == RecordState::Applied;
    let unfinished = |member: &&Member| {
        records.iter().any(|record| record.version() == member.version() && !settled(&record))
    };
    let fresh = |member: &&Member| !records.iter().any(|record| record.version() == member.version());
    let waiting = || set.members().iter().filter(move |member| fresh(member) || unfinished(member));

    Ok(match target {
        Target::Latest => (Vec::new(), waiting().collect()),
        Target::Base => (newest_first().collect(), Vec::new()),
        Target::Version(version) => {
            if set.find(version).is_none() {
                return Err(Error::unknown_version(version, set));
            }
            let above = |record: &&Record| record.version() > version;
            let up = waiting().filter(|member| member.version() <= version);
            (newest_first().filter(above).collect(), up.collect())
        }
        Target::Relative(steps) => {
            let asked = usize::try_from(steps.unsigned_abs()).unwrap_or(usize::MAX);
            if steps < 0 {
                let down: Vec<_> = newest_first().take(asked).collect();
                if down.len() < asked {
                    return Err(Error::too_far(target, down.len()));
                }
                (down, Vec::new())
            } else {
                let up: Vec<_> = waiting().take(asked).collect();
                if up.len() < asked {
                    return Err(Error::too_far(target, up.len()));
                }
                (Vec::new(), up)
            }
        }
    })
}

fn up_step(member: &Member, records: &[Record]) -> Result<Step, Error> {
    let half = records.iter().find(|record| {
        record.version() == member.version()
            && matches!(record.state, RecordState::Running | RecordState::Failed)
    });
    if let Some(record) = half {
        if member.migration.transaction() != TransactionMode::None {
            return Err(Error::begun_outside(member.id().clone()));
        }
        Journal::of_up(&*member.migration).check(record)?;
    }
    Ok(Step {
        id: member.id().clone(),
        direction: Direction::Up,
        transaction: member.migration.transaction(),
        resume_at: half.map(|record| record.statements_done),
    })
}

fn down_step(set: &MigrationSet, record: &Record) -> Result<Step, Error> {
    let Some(member) = set.find(record.version()) else {
        return Err(Error::unknown_to_revert(record.id.clone()));
    };
    if !member.migration.is_reversible() {
        return Err(Error::irreversible(member.id().clone()));
    }
    let half = (record.state == RecordState::Reverting).then_some(record.statements_done);
    let transaction = match member.migration.as_sql().and_then(|sql| sql.down_script()) {
        Some(script) => script.transaction,
        None => member.migration.transaction(),
    };
    if half.is_some() {
        if transaction != TransactionMode::None {
            return Err(Error::begun_outside(member.id().clone()));
        }
        Journal::of_down(&*member.migration).check(record)?;
    }
    Ok(Step { id: member.id().clone(), direction: Direction::Down, transaction, resume_at: half })
}

#[cfg(test)]
#[path = "planner_tests.rs"]
mod tests;
