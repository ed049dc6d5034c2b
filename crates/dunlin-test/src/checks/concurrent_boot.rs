use std::collections::BTreeMap;

use dunlin_core::{MigrationId, Report, State, Target};
use tokio::task::JoinSet;

use crate::checks::{CheckError, Checked, Failure, Subject, stage::Stage};

const CHECK: &str = "concurrent boot";

/// Checks that so many replicas can boot at once: each migrates the same new database on a connection of its own. All of them
/// succeed, each migration is applied exactly once by all of them together, the schema is that which one replica makes
/// alone, and a boot afterwards finds nothing to do.
///
/// It is at least one replica. More than a server takes connections (100 by default) is more than can be checked.
///
/// ```
/// # use dunlin_core as dunlin;
/// use dunlin::MigrationSet;
/// use dunlin_test::checks;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let set = MigrationSet::builder().sql(1, "birds", "CREATE TABLE birds (name text)").build()?;
///
/// checks::concurrent_boot(&set, 8).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`CheckError`] where that is not so, with the migrations that it is about; and when there is no server to check on.
///
/// # Cancel safety
/// A drop ends the replicas and leaves nothing behind, as that of a [`Database`](crate::Database).
pub async fn concurrent_boot(subject: impl Into<Subject>, replicas: usize) -> Result<Checked, CheckError> {
    let subject = subject.into();
    let fail = |failure| CheckError::failed(CHECK, vec![failure]);
    let alone = Stage::new(&subject).await?;
    if let Err(error) = alone.run(Target::Latest).await? {
        return Err(fail(Failure::of_run(&error, None, "one replica alone")));
    }
    let stage = alone.another().await?;
    let (reports, failures) = boot(&stage, replicas.max(1)).await?;
    if !failures.is_empty() {
        return Err(CheckError::failed(CHECK, failures));
    }
    let failures = not_once(&subject, &reports);
    if !failures.is_empty() {
        return Err(CheckError::failed(CHECK, failures));
    }
    let diff = alone.schema().await?.diff(&stage.schema().await?);
    if !diff.is_empty() {
        let text = "replicas together make another schema (- is what one makes alone, + is what they make):";
        return Err(fail(Failure::new(None, text).with_diff(diff)));
    }
    match stage.run(Target::Latest).await? {
        Err(error) => return Err(fail(Failure::of_run(&error, None, "a boot afterwards"))),
        Ok(report) if report.state() != State::Current || report.applied().next().is_some() => {
            return Err(fail(Failure::new(None, format!("a boot afterwards finds work to do: {report}"))));
        }
        Ok(_) => {}
    }
    let mut checked = Checked::default();
    subject.set().iter().for_each(|migration| checked.check(migration.id()));
    Ok(checked)
}

/// Boots them all at once, once all are connected.
async fn boot(stage: &Stage<'_>, replicas: usize) -> Result<(Vec<Report>, Vec<Failure>), crate::Error> {
    let mut clients = Vec::new();
    for _ in 0..replicas {
        let client = stage.connect().await?;
        let migrator = stage.migrator().clone();
        clients.push((client, migrator));
    }
    let mut running = JoinSet::new();
    for (mut client, migrator) in clients {
        running.spawn(async move { migrator.run(&mut client, Target::Latest).await });
    }
    let (mut reports, mut failures) = (Vec::new(), Vec::new());
    while let Some(ended) = running.join_next().await {
        match ended {
            Ok(Ok(report)) => reports.push(report),
            Ok(Err(error)) => failures.push(Failure::of_run(&error, None, "one of the replicas")),
            Err(error) => failures.push(Failure::new(None, format!("one of the replicas: {error}"))),
        }
    }
    Ok((reports, failures))
}

/// The migrations that were not applied by exactly one replica.
fn not_once(subject: &Subject, reports: &[Report]) -> Vec<Failure> {
    let mut applied = BTreeMap::<&MigrationId, usize>::new();
    for done in reports.iter().flat_map(Report::applied) {
        let count = applied.entry(done.id()).or_default();
        *count = count.saturating_add(1);
    }
    let ids = subject.set().iter().map(|migration| migration.id());
    ids.filter_map(|id| match applied.get(id).copied().unwrap_or_default() {
        1 => None,
        count => {
            let text = format!("migration {id} was applied {count} times by {} replicas", reports.len());
            Some(Failure::new(Some(id), text))
        }
    })
    .collect()
}
