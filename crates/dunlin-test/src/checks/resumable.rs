use std::sync::Arc;

use dunlin_core::{Migration, RecordState, Status, Target, TransactionMode};

use crate::{
    checks::{CheckError, Checked, Failure, Subject, cut::Scissors, stage::Stage},
    schema::Schema,
};

const CHECK: &str = "resumable";

/// Checks that a migration outside a transaction (`-- dunlin: no-transaction`) can be interrupted anywhere: the next run goes on,
/// ends in the schema of a run in peace, and leaves a history in which everything is applied.
///
/// It is applied again and again, each time on a new database, and each time cut at another place: the process is as good as
/// gone when the server has done one more of the things that it was asked for, and nobody has heard of it. Those are the
/// statements, and what the library does between them; the commands of a Rust migration count the same. Its down is checked in
/// the same way, if it has one. Migrations inside transactions are applied whole or not at all, and are neither checked nor among
/// [`Checked::skipped`].
///
/// What dunlin can't make resumable by itself is what this finds: blocks (`DO`) and procedures, which may commit and are run
/// again when they were interrupted, and Rust.
///
/// ```
/// # use dunlin_core as dunlin;
/// use dunlin::MigrationSet;
/// use dunlin_test::checks;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let set = MigrationSet::builder()
///     .sql(1, "birds", "CREATE TABLE birds (name text)")
///     .sql(2, "by_name", "-- dunlin: no-transaction\nCREATE INDEX CONCURRENTLY by_name ON birds (name); ANALYZE birds")
///     .build()?;
///
/// let checked = checks::resumable(&set).await?;
///
/// assert_eq!(checked.checked().len(), 1);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`CheckError`] with the first failure of each migration that can't be resumed; where the migrations can't be applied; and when
/// there is no server to check on.
///
/// # Cancel safety
/// A drop leaves nothing behind, as that of a [`Database`](crate::Database).
pub async fn resumable(subject: impl Into<Subject>) -> Result<Checked, CheckError> {
    let subject = subject.into();
    let (mut checked, mut failures) = (Checked::default(), Vec::new());
    let mut first = None;
    let mut below = Target::Base;
    for migration in subject.set().iter() {
        let here = Target::Version(migration.id().version());
        if migration.transaction() == TransactionMode::None {
            let stage = match &first {
                None => Stage::new(&subject).await?,
                Some(stage) => Stage::another(stage).await?,
            };
            let found = both_ways(&stage, migration, below, here).await?;
            match found {
                Some(failure) => failures.push(failure),
                None => checked.check(migration.id()),
            }
            first = Some(stage);
        }
        below = here;
    }
    if failures.is_empty() { Ok(checked) } else { Err(CheckError::failed(CHECK, failures)) }
}

/// Checks the up and the down of a migration; what is wrong first is told.
async fn both_ways(
    stage: &Stage<'_>,
    migration: &Arc<dyn Migration>,
    below: Target,
    here: Target,
) -> Result<Option<Failure>, crate::Error> {
    let up = Way { migration, from: below, to: here, doing: "applying" };
    if let Some(failure) = up.check(stage).await? {
        return Ok(Some(failure));
    }
    if !migration.is_reversible() {
        return Ok(None);
    }
    Way { migration, from: here, to: below, doing: "reverting" }.check(stage).await
}

/// A migration in one direction.
struct Way<'a> {
    migration: &'a Arc<dyn Migration>,
    from: Target,
    to: Target,
    doing: &'static str,
}

/// How a run has ended that was to be cut.
enum End {
    /// It had come to its end before.
    Whole,
    /// The migration had not begun, or was done.
    Outside,
    /// So many of its statements were recorded as done.
    Half(usize),
}

impl Way<'_> {
    async fn check(&self, beside: &Stage<'_>) -> Result<Option<Failure>, crate::Error> {
        let uncut = beside.another().await?;
        for (target, when) in [(self.from, "before it"), (self.to, "without a cut")] {
            if let Err(error) = go(&uncut, target).await? {
                return Ok(Some(Failure::of_run(&error, Some(self.migration.id()), when)));
            }
        }
        let wanted = uncut.schema().await?;
        let mut stage = None;
        for answers in 1.. {
            let here = match stage.take() {
                Some(stage) => stage,
                None => {
                    let new = beside.another().await?;
                    if let Err(error) = go(&new, self.from).await? {
                        return Ok(Some(Failure::of_run(&error, Some(self.migration.id()), "before it")));
                    }
                    new
                }
            };
            match self.cut(&here, answers).await? {
                Ok(End::Whole) => break,
                // Nothing has happened to it, or nothing more can.
                Ok(End::Outside) => stage = Some(here),
                Ok(End::Half(done)) => {
                    let place = match done {
                        0 => format!("{} it was cut off before a statement was recorded", self.doing),
                        _ => format!("{} it was cut off when statement {done} was recorded", self.doing),
                    };
                    if let Some(failure) = self.resume(&here, &wanted, &place).await? {
                        return Ok(Some(failure));
                    }
                }
                Err(failure) => return Ok(Some(failure)),
            }
        }
        Ok(None)
    }

    /// Begins the way, and is gone when the server has given so many answers.
    async fn cut(&self, stage: &Stage<'_>, answers: usize) -> Result<Result<End, Failure>, crate::Error> {
        let (mut client, scissors) = Scissors::connect(&stage.database().config(), answers).await?;
        let mut run = Box::pin(stage.migrator().run(&mut client, self.to));
        tokio::select! {
            ended = &mut run => {
                let failed = |error| Failure::of_run(&error, Some(self.migration.id()), self.doing);
                return Ok(ended.map(|_| End::Whole).map_err(failed));
            }
            // The connection goes before the future does: what that would say at its end is not said.
            () = scissors.wait() => scissors.cut().await,
        }
        drop(run);
        stage.wait_for_lock().await?;
        let status = match stage.status().await? {
            Ok(status) => status,
            Err(error) => return Ok(Err(Failure::of_run(&error, Some(self.migration.id()), "after a cut"))),
        };
        let records = status.records().iter();
        let half = records.filter(|record| record.state() != RecordState::Applied);
        Ok(Ok(half.map(|record| End::Half(record.statements_done())).next().unwrap_or(End::Outside)))
    }

    /// Goes on as another process would.
    async fn resume(
        &self,
        stage: &Stage<'_>,
        wanted: &Schema,
        place: &str,
    ) -> Result<Option<Failure>, crate::Error> {
        let id = self.migration.id();
        if let Err(error) = go(stage, self.to).await? {
            return Ok(Some(Failure::of_run(&error, Some(id), &format!("after {place}, in the next run"))));
        }
        let diff = wanted.diff(&stage.schema().await?);
        if !diff.is_empty() {
            let text = format!(
                "migration {id}: after {place}, the next run makes another schema (- is what a run in peace makes, + is what is there):"
            );
            return Ok(Some(Failure::new(Some(id), text).with_diff(diff)));
        }
        let text = match stage.status().await? {
            Ok(status) if is_clean(&status) => return Ok(None),
            Ok(status) => format!("migration {id}: after {place} and the next run, the history is: {status}"),
            Err(error) => format!("migration {id}: after {place} and the next run: {error:?}"),
        };
        Ok(Some(Failure::new(Some(id), text)))
    }
}

/// Takes a database to where it may be already.
async fn go(stage: &Stage<'_>, target: Target) -> Result<Result<(), dunlin_core::Error>, crate::Error> {
    Ok(stage.run(target).await?.map(drop))
}

fn is_clean(status: &Status) -> bool {
    status.findings().is_empty()
        && status.records().iter().all(|record| record.state() == RecordState::Applied)
}
