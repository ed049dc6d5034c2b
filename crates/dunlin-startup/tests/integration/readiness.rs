//! When a service is ready, and what it says until then.

use std::time::Duration;

use async_trait::async_trait;
use dunlin_core::{Ahead, BoxError, Direct, MigrationSet, Migrator, RunContext, RunHook, State};
use dunlin_startup::{OverBudget, Phase, Startup, StepState, Verdict, WhenAhead};
use tokio_postgres::NoTls;

use crate::support::{Gate, Held, connect, database, texts, until};

fn held(gate: &Gate) -> Migrator {
    let set = MigrationSet::builder().sql(1, "before", "CREATE TABLE before (id int)");
    let set = set.rust(2, "held", Held(gate.clone())).sql(3, "after", "CREATE TABLE after (id int)");
    Migrator::new(set.build().unwrap()).application("orders 2")
}

#[tokio::test]
async fn it_is_not_ready_while_it_migrates_and_says_what_runs() {
    let (database, gate) = (database().await, Gate::new());
    let startup = Startup::new(connect(&database), held(&gate)).start();
    gate.reached().await;

    let snapshot = until(&startup, |snapshot| snapshot.running.is_some()).await;
    assert!(!startup.is_ready() && !startup.has_started());
    assert_eq!((snapshot.phase, snapshot.state), (Phase::Migrating, Some(State::Behind)));
    assert_eq!(snapshot.reason.as_deref(), Some("migration 2 (held) runs"));
    let states: Vec<_> = snapshot.steps.iter().map(|step| step.state).collect();
    assert_eq!(states, [StepState::Applied, StepState::Running, StepState::Pending]);

    gate.open();
    startup.wait_ready().await.unwrap();
    let snapshot = startup.refresh().await;
    assert_eq!((snapshot.phase, snapshot.ready, snapshot.reason), (Phase::Done, true, None));
    assert_eq!(snapshot.state, Some(State::Current));
    let verdicts: Vec<_> = snapshot.steps.iter().map(|step| step.verdict).collect();
    assert_eq!(verdicts, [Verdict::None, Verdict::Verified, Verdict::None]);
    assert!(snapshot.steps.iter().all(|step| step.application.as_deref() == Some("orders 2")));
    let events: Vec<_> = snapshot.events.iter().map(|event| event.what.as_str()).collect();
    assert_eq!(events, ["planned", "applied", "applied", "applied"]);
}

#[tokio::test]
async fn who_waits_for_another_process_names_it() {
    let (database, gate) = (database().await, Gate::new());
    let first = Startup::new(connect(&database), held(&gate)).start();
    gate.reached().await;
    let second = Startup::new(connect(&database), held(&gate)).start();

    let snapshot =
        until(&second, |snapshot| snapshot.lock.as_ref().is_some_and(|lock| lock.holder.is_some())).await;
    assert_eq!(snapshot.phase, Phase::WaitingForLock);
    let reason = snapshot.reason.unwrap();
    assert!(
        reason.starts_with("another process migrates: pid ") && reason.contains("application `dunlin`"),
        "{reason}"
    );
    // What the other one has done is seen by who looks.
    let snapshot = second.refresh().await;
    assert_eq!((snapshot.count(StepState::Applied), snapshot.count(StepState::Pending)), (1, 2));

    gate.open();
    tokio::try_join!(first.wait_ready(), second.wait_ready()).unwrap();
    assert!(second.snapshot().lock_waited >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_migration_that_fails_is_told_with_file_line_and_cause() {
    let database = database().await;
    let set = texts(&["CREATE TABLE birds (name text)", "CREATE TABLE rings (id int);\nSELECT 1 / 0"]);
    let startup = Startup::new(connect(&database), Migrator::new(set)).start();
    let error = startup.wait_ready().await.unwrap_err();
    assert_eq!(error.phase(), Phase::Failed);
    insta::assert_snapshot!(error, @"migration 2 (m2) failed at 2_m2.up.sql:2:1: division by zero (SQLSTATE 22012); nothing of it remains: mend it and run again (one migration was done before it)");
    let snapshot = startup.refresh().await;
    let failure = snapshot.failure.unwrap();
    assert_eq!((failure.kind.as_str(), failure.code.as_deref()), ("Migration", Some("22012")));
    assert_eq!(failure.location.unwrap().line(), 2);
    let states: Vec<_> = snapshot.steps.iter().map(|step| step.state).collect();
    assert_eq!(states, [StepState::Applied, StepState::Failed]);

    // Mended and started anew it recovers.
    let set = texts(&["CREATE TABLE birds (name text)", "CREATE TABLE rings (id int)"]);
    let startup = Startup::new(connect(&database), Migrator::new(set)).start();
    startup.wait_ready().await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_not_there_yet_is_waited_for() {
    let nowhere = Direct::new("host=/nowhere user=me".parse().unwrap(), NoTls);
    let startup = Startup::new(nowhere, Migrator::new(texts(&["SELECT 1"]))).start();
    let snapshot = until(&startup, |snapshot| snapshot.phase == Phase::WaitingForServer).await;
    let reason = snapshot.reason.unwrap();
    assert!(reason.starts_with("can't connect to PostgreSQL"), "{reason}");
    assert!(reason.ends_with("No such file or directory (os error 2)"), "{reason}");
    assert!(startup.refresh().await.unread.is_some());
    startup.shutdown().await;
    assert_eq!(startup.phase(), Phase::Stopped);
}

#[tokio::test]
async fn an_older_program_is_ready_and_says_that_the_database_is_ahead() {
    let database = database().await;
    let newer = texts(&["CREATE TABLE a (id int)", "CREATE TABLE b (id int)"]);
    let older = || Migrator::new(texts(&["CREATE TABLE a (id int)"]));
    Startup::new(connect(&database), Migrator::new(newer)).start().wait_ready().await.unwrap();

    let startup = Startup::new(connect(&database), older()).start();
    startup.wait_ready().await.unwrap();
    let snapshot = startup.refresh().await;
    assert_eq!((snapshot.state, snapshot.ready), (Some(State::Ahead), true));
    let states: Vec<_> = snapshot.steps.iter().map(|step| step.state).collect();
    assert_eq!(states, [StepState::Applied, StepState::Ahead]);

    let strict = Startup::new(connect(&database), older()).ahead(WhenAhead::NotReady).start();
    let snapshot = until(&strict, |snapshot| snapshot.phase == Phase::Done).await;
    assert!(!snapshot.ready && snapshot.reason.unwrap().contains("ahead of this program"));
    let denied = Startup::new(connect(&database), older().ahead(Ahead::Deny)).start();
    assert_eq!(denied.wait_ready().await.unwrap_err().snapshot().failure.as_ref().unwrap().kind, "Diverged");
}

#[tokio::test]
async fn a_start_that_takes_too_long_is_ready_all_the_same_or_fails_as_it_was_told() {
    let (database, gate) = (database().await, Gate::new());
    let budget = Duration::from_millis(50);
    let startup = Startup::new(connect(&database), held(&gate)).budget(budget, OverBudget::Ready).start();
    startup.wait_ready().await.unwrap();
    assert_eq!(startup.phase(), Phase::Migrating, "it goes on in the background");
    gate.open();
    until(&startup, |snapshot| snapshot.phase == Phase::Done).await;

    let (database, gate) = (crate::support::database().await, Gate::new());
    let startup = Startup::new(connect(&database), held(&gate))
        .budget(budget, OverBudget::Fail)
        .grace(Duration::from_millis(100))
        .start();
    let error = startup.wait_ready().await.unwrap_err();
    insta::assert_snapshot!(error, @"the start has taken longer than its budget of 50.0ms: start it again, which goes on, or raise the budget");
    let client = database.connect().await.unwrap();
    assert_eq!(crate::support::left_behind(&client).await, (0, 0));
}

#[tokio::test]
async fn who_asks_whether_it_is_ready_asks_no_server() {
    let database = database().await;
    let migrator = || Migrator::new(texts(&["CREATE TABLE a (id int)"]));
    Startup::new(connect(&database), migrator()).start().wait_ready().await.unwrap();
    let startup = Startup::new(connect(&database), migrator()).start();
    startup.wait_ready().await.unwrap();
    let client = database.connect().await.unwrap();
    client.batch_execute("ALTER TABLE dunlin_history RENAME TO elsewhere").await.unwrap();
    assert!(startup.is_ready(), "it asks nobody");
    assert_eq!(startup.snapshot().count(StepState::Applied), 1);
    client.batch_execute("ALTER TABLE elsewhere RENAME TO dunlin_history").await.unwrap();
    assert_eq!(startup.refresh().await.unread, None);
}

/// A hook that waits until the test lets it go on, as a backup takes its time.
struct Backup(Gate);

#[async_trait]
impl RunHook for Backup {
    async fn before(&self, _: &RunContext<'_>) -> Result<(), BoxError> {
        self.0.wait().await
    }
}

#[tokio::test]
async fn a_hook_that_takes_its_time_is_what_is_told_meanwhile() {
    let (database, gate) = (database().await, Gate::new());
    let migrator = Migrator::new(texts(&["CREATE TABLE a (id int)"])).around_run(Backup(gate.clone()));
    let startup = Startup::new(connect(&database), migrator).start();
    gate.reached().await;
    assert_eq!(startup.reason().as_deref(), Some("a hook before the migrations is called"));
    gate.open();
    startup.wait_ready().await.unwrap();
}
