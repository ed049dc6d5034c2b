use dunlin_core::Target;

use crate::checks::{
    CheckError, Checked, Failure, Subject,
    each_step::{not_again, not_back},
    stage::Stage,
};

const CHECK: &str = "round trip";

/// Checks the way up, down and up again: all migrations are applied, all are reverted, which leads back to an empty database,
/// and all are applied again, which leads to the same schema as the first time.
///
/// Where migrations have no down, the way down ends above the last of them: it and those below it are among
/// [`Checked::skipped`], and the schema there is compared with that on the way up. The order of columns is not compared, as by
/// [`each_step`](crate::checks::each_step), which is the check that reports all migrations that do not hold; this one is quicker,
/// and names the first.
///
/// ```
/// # use dunlin_core as dunlin;
/// use dunlin::{MigrationSet, SqlMigration};
/// use dunlin_test::checks;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let birds = SqlMigration::new(1, "birds", "CREATE TABLE birds (name text)")?.with_down("DROP TABLE birds")?;
/// let set = MigrationSet::builder().migration(birds).build()?;
///
/// let checked = checks::round_trip(&set).await?;
///
/// assert_eq!(checked.to_string(), "1 migration checked");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`CheckError`] where the way is not what it should be, with the first migration that it fails at; and when there is no server
/// to check on.
///
/// # Cancel safety
/// A drop leaves nothing behind, as that of a [`Database`](crate::Database).
pub async fn round_trip(subject: impl Into<Subject>) -> Result<Checked, CheckError> {
    let subject = subject.into();
    let fail = |failure| CheckError::failed(CHECK, vec![failure]);
    let (checked, floor) = divide(&subject);
    let stage = Stage::new(&subject).await?;
    // The first stretch is not reverted, so that its schema is that on the way up.
    if floor != Target::Base
        && let Err(error) = stage.run(floor).await?
    {
        return Err(fail(Failure::of_run(&error, None, "on the way up")));
    }
    let bottom = stage.schema().await?;
    if let Err(error) = stage.run(Target::Latest).await? {
        return Err(fail(Failure::of_run(&error, None, "on the way up")));
    }
    let top = stage.schema().await?;
    if let Err(error) = stage.run(floor).await? {
        return Err(fail(Failure::of_run(&error, None, "on the way down")));
    }
    let below = bottom.diff(&stage.schema().await?).ignoring_order();
    if !below.is_empty() {
        let unknown = "the downs together do not undo the ups (- was there before, + is there now):";
        return Err(fail(
            culprit(&stage, floor).await?.unwrap_or(Failure::new(None, unknown).with_diff(below)),
        ));
    }
    if let Err(error) = stage.run(Target::Latest).await? {
        return Err(fail(Failure::of_run(&error, None, "on the second way up")));
    }
    let above = top.diff(&stage.schema().await?).ignoring_order();
    if !above.is_empty() {
        let unknown = "the second way up makes something else (- is of the first time, + of the second):";
        return Err(fail(
            culprit(&stage, floor).await?.unwrap_or(Failure::new(None, unknown).with_diff(above)),
        ));
    }
    Ok(checked)
}

/// What goes down, and how far.
fn divide(subject: &Subject) -> (Checked, Target) {
    let stays: Vec<_> = subject.set().iter().map(|migration| !migration.is_reversible()).collect();
    let last = stays.iter().rposition(|stays| *stays);
    let (mut checked, mut floor) = (Checked::default(), Target::Base);
    for (number, migration) in subject.set().iter().enumerate() {
        if last.is_none_or(|last| number > last) {
            checked.check(migration.id());
            continue;
        }
        floor = Target::Version(migration.id().version());
        let reason = match migration.is_reversible() {
            true => "one after it has no down",
            false => "it has no down",
        };
        checked.skip(migration.id(), reason);
    }
    (checked, floor)
}

/// Goes the same way one by one, and looks after each step: finds the first that is not what it should be.
async fn culprit(stage: &Stage<'_>, floor: Target) -> Result<Option<Failure>, crate::Error> {
    let stage = stage.another().await?;
    if floor != Target::Base && stage.run(floor).await?.is_err() {
        return Ok(None);
    }
    let mut below = (floor, stage.schema().await?);
    let mut steps = Vec::new();
    for migration in stage.set().iter() {
        let (id, target) = (migration.id(), Target::Version(migration.id().version()));
        if matches!(floor, Target::Version(version) if id.version() <= version) {
            continue;
        }
        if stage.run(target).await?.is_err() {
            return Ok(None);
        }
        let here = (target, stage.schema().await?);
        steps.push((id, std::mem::replace(&mut below, here.clone()), here));
    }
    for (id, (target, schema), _) in steps.iter().rev() {
        if stage.run(*target).await?.is_err() {
            return Ok(None);
        }
        if let Some(failure) = not_back(id, schema, &stage.schema().await?) {
            return Ok(Some(failure));
        }
    }
    for (id, _, (target, schema)) in &steps {
        if stage.run(*target).await?.is_err() {
            return Ok(None);
        }
        if let Some(failure) = not_again(id, schema, &stage.schema().await?) {
            return Ok(Some(failure));
        }
    }
    Ok(None)
}
