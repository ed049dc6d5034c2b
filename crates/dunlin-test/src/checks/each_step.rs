use std::sync::Arc;

use dunlin_core::{Migration, MigrationId, Target};

use crate::{
    checks::{CheckError, Checked, Failure, Subject, stage::Stage},
    schema::Schema,
};

const CHECK: &str = "each step";

/// Checks each migration alone, in order: it is applied, everything that is applied verifies
/// ([`Migrator::verify`](dunlin_core::Migrator::verify)), it is reverted, which leads back to the schema before it, and it is
/// applied again, which leads to the same schema as the first time.
///
/// All migrations that do not hold are reported. After one the check goes on with the next on a fresh database; only one
/// that can't be applied ends it. Migrations without a down are applied and verified, and are among
/// [`Checked::skipped`]. In which order the columns of a table stand is not compared: a down that puts back a column can't put it
/// back into its place.
///
/// ```
/// # use dunlin_core as dunlin;
/// use dunlin::{MigrationSet, SqlMigration};
/// use dunlin_test::{ObjectKind, checks};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let create = "CREATE TABLE birds (name text); CREATE TYPE size AS ENUM ('small', 'large')";
/// let birds = SqlMigration::new(1, "birds", create)?.with_down("DROP TABLE birds")?;
/// let set = MigrationSet::builder().migration(birds).build()?;
///
/// let error = checks::each_step(&set).await.unwrap_err();
///
/// let [failure] = error.failures() else { panic!("{error}") };
/// assert_eq!(failure.migration().unwrap().version(), 1);
/// let left = failure.diff().iter().next().unwrap();
/// assert_eq!((left.kind(), left.name()), (ObjectKind::Enum, "public.size"));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`CheckError`] with a failure for each migration that does not hold; and when there is no server to check on.
///
/// # Cancel safety
/// A drop leaves nothing behind, as that of a [`Database`](crate::Database).
pub async fn each_step(subject: impl Into<Subject>) -> Result<Checked, CheckError> {
    let subject = subject.into();
    let migrations: Vec<_> = subject.set().iter().cloned().collect();
    let mut stage = Stage::new(&subject).await?;
    let mut checked = Checked::default();
    let mut failures = Vec::new();
    let mut below = Target::Base;
    for (number, migration) in migrations.iter().enumerate() {
        let step = Step { stage: &stage, migration, below };
        let outcome = step.take().await?;
        match outcome {
            Outcome::Holds => checked.check(migration.id()),
            Outcome::HasNoDown => checked.skip(migration.id(), "it has no down"),
            Outcome::Fails(failure) => {
                failures.push(failure);
                stage = stage.another().await?;
                if let Err(error) = stage.run(step_target(migration)).await? {
                    failures.push(Failure::of_run(&error, Some(migration.id()), "on a fresh database"));
                    break;
                }
            }
            Outcome::CannotBeApplied(failure) => {
                failures.push(failure);
                let behind = migrations.len().saturating_sub(number).saturating_sub(1);
                match behind {
                    0 => {}
                    1 => failures.push(Failure::new(None, "the migration behind it was not reached")),
                    _ => failures
                        .push(Failure::new(None, format!("{behind} migrations behind it were not reached"))),
                }
                break;
            }
        }
        below = step_target(migration);
    }
    if failures.is_empty() { Ok(checked) } else { Err(CheckError::failed(CHECK, failures)) }
}

fn step_target(migration: &Arc<dyn Migration>) -> Target {
    Target::Version(migration.id().version())
}

/// One migration on a database that everything before it is applied to.
struct Step<'a> {
    stage: &'a Stage<'a>,
    migration: &'a Arc<dyn Migration>,
    below: Target,
}

enum Outcome {
    Holds,
    HasNoDown,
    /// The database is not what it should be any more.
    Fails(Failure),
    CannotBeApplied(Failure),
}

impl Step<'_> {
    async fn take(&self) -> Result<Outcome, crate::Error> {
        let (stage, id) = (self.stage, self.migration.id());
        let before = stage.schema().await?;
        if let Err(error) = stage.run(step_target(self.migration)).await? {
            return Ok(Outcome::CannotBeApplied(Failure::of_run(&error, Some(id), "")));
        }
        let after = stage.schema().await?;
        if let Err(error) = stage.verify().await? {
            let doing = format!("with migration {id} applied");
            return Ok(Outcome::Fails(Failure::of_run(&error, Some(id), &doing)));
        }
        if !self.migration.is_reversible() {
            return Ok(Outcome::HasNoDown);
        }
        if let Err(error) = stage.run(self.below).await? {
            return Ok(Outcome::Fails(Failure::of_run(&error, Some(id), "")));
        }
        if let Some(failure) = not_back(id, &before, &stage.schema().await?) {
            return Ok(Outcome::Fails(failure));
        }
        if let Err(error) = stage.run(step_target(self.migration)).await? {
            return Ok(Outcome::Fails(Failure::of_run(&error, Some(id), "the second time")));
        }
        Ok(match not_again(id, &after, &stage.schema().await?) {
            Some(failure) => Outcome::Fails(failure),
            None => Outcome::Holds,
        })
    }
}

/// What a down has left or has taken too much.
pub(crate) fn not_back(id: &MigrationId, before: &Schema, now: &Schema) -> Option<Failure> {
    let diff = before.diff(now).ignoring_order();
    let text = format!("migration {id}: its down does not undo its up (- was there before, + is there now):");
    (!diff.is_empty()).then(|| Failure::new(Some(id), text).with_diff(diff))
}

/// What an up does in another way the second time.
pub(crate) fn not_again(id: &MigrationId, first: &Schema, second: &Schema) -> Option<Failure> {
    let diff = first.diff(second).ignoring_order();
    let text = format!(
        "migration {id}: after its down, its up makes something else (- is of the first time, + of the second):"
    );
    (!diff.is_empty()).then(|| Failure::new(Some(id), text).with_diff(diff))
}
