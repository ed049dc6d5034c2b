//! What is called around a run and around each migration: how often, in which order, and what stays when it fails.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use dunlin::{
    BoxError, Direct, Error, ErrorKind, HookPoint, MigrationHook, MigrationHookContext, MigrationSet,
    Migrator, Pooler, Report, RunContext, RunHook, Target, TransactionPolicy,
};
use dunlin_test::{Database, TestDatabase};
use futures_util::future::join_all;
use tests::{Cut, Direction, Fault, PgBouncer, PoolMode, Proxy, database, server};
use tokio_postgres::{Client, Config, NoTls};

use crate::support::{events, exists, history, left_behind, migration, numbered, texts};

/// What was called, in order.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<String>>>);

impl Calls {
    fn add(&self, call: String) {
        self.0.lock().unwrap().push(call);
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// How often something was called whose text begins like this.
    fn count(&self, call: &str) -> usize {
        self.all().iter().filter(|it| it.starts_with(call)).count()
    }
}

/// Writes down what is called, and fails where it is to.
#[derive(Clone)]
struct Scribe {
    name: &'static str,
    calls: Calls,
    fails: Option<&'static str>,
}

impl Scribe {
    fn called(&self, what: String) -> Result<(), BoxError> {
        let call = format!("{} {what}", self.name);
        let fails = self.fails.is_some_and(|call| what.starts_with(call));
        self.calls.add(call);
        if fails { Err("no space left for a backup".into()) } else { Ok(()) }
    }
}

#[async_trait::async_trait]
impl RunHook for Scribe {
    async fn before(&self, cx: &RunContext<'_>) -> Result<(), BoxError> {
        self.called(format!("before {}", cx.plan().steps().len()))
    }

    async fn after(&self, _: &RunContext<'_>, report: &Report) -> Result<(), BoxError> {
        self.called(format!("after {} {}", report.applied().count(), report.state()))
    }

    async fn failed(&self, _: &RunContext<'_>, error: &Error) {
        let done = error.report().applied().count();
        let _ = self.called(format!("failed {done} {:?}", error.kind()));
    }
}

#[async_trait::async_trait]
impl MigrationHook for Scribe {
    async fn before(&self, cx: &MigrationHookContext<'_>) -> Result<(), BoxError> {
        let (id, direction) = (cx.id().version(), cx.direction());
        self.called(format!("before {id} {direction} {}/{}", cx.number(), cx.count()))
    }

    async fn after(&self, cx: &MigrationHookContext<'_>, took: Duration) -> Result<(), BoxError> {
        assert!(took > Duration::ZERO);
        self.called(format!("after {}", cx.id().version()))
    }

    async fn failed(&self, cx: &MigrationHookContext<'_>, error: &Error) {
        let _ = self.called(format!("failed {} {:?}", cx.id().version(), error.kind()));
    }
}

/// A migrator whose hooks write down what is called: `a` and `b` around the run, `c` and `d` around each migration.
fn observed(set: MigrationSet) -> (Migrator, Calls) {
    failing(set, "", "")
}

/// The same, where a call fails of the hook of this name.
fn failing(set: MigrationSet, name: &str, call: &'static str) -> (Migrator, Calls) {
    let calls = Calls::default();
    let scribe = |own| Scribe { name: own, calls: calls.clone(), fails: (own == name).then_some(call) };
    let migrator = Migrator::new(set).around_run(scribe("a")).around_run(scribe("b"));
    (migrator.around_each(scribe("c")).around_each(scribe("d")), calls)
}

async fn migrate(database: &Database, migrator: &Migrator) -> Result<Report, Error> {
    dunlin::migrate(&database.config(), NoTls, migrator).await
}

/// Fails as a deadlock would when it runs for the first time: a sequence does not roll back.
const MEETS_OTHERS_ONCE: &str = "DO $$ BEGIN IF nextval('tries') = 1 THEN \
     RAISE EXCEPTION 'later' USING ERRCODE = '40001'; END IF; END $$";

/// Ends its own backend when it runs for the first time.
const DIES_ONCE: &str =
    "SELECT CASE WHEN nextval('tries') = 1 THEN pg_terminate_backend(pg_backend_pid()) END";

async fn with_tries() -> (Database, Client) {
    let database = database().await;
    let client = database.connect().await.unwrap();
    client.batch_execute("CREATE SEQUENCE tries").await.unwrap();
    (database, client)
}

#[tokio::test]
async fn hooks_are_called_in_order_and_the_other_way_round_afterwards() {
    let database = database().await;
    let (migrator, calls) = observed(numbered(2));
    let report = migrate(&database, &migrator).await.unwrap();
    assert_eq!(report.applied().count(), 2);
    insta::assert_snapshot!(calls.all().join("\n"), @r"
    a before 2
    b before 2
    c before 1 up 1/2
    d before 1 up 1/2
    d after 1
    c after 1
    c before 2 up 2/2
    d before 2 up 2/2
    d after 2
    c after 2
    b after 2 current
    a after 2 current
    ");
    let client = database.connect().await.unwrap();
    assert_eq!(events(&client).await, "1 applied, 2 applied");
    assert_eq!(left_behind(&client).await, (0, 0));
}

#[tokio::test]
async fn hooks_of_a_way_back_are_told_so() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let set =
        MigrationSet::builder().migration(migration(1, "CREATE TABLE a (id int)", "DROP TABLE a", None));
    let (migrator, calls) = observed(set.build().unwrap());
    migrator.run(&mut client, Target::Latest).await.unwrap();
    migrator.run(&mut client, Target::Base).await.unwrap();
    assert_eq!((calls.count("c before 1 up 1/1"), calls.count("c before 1 down 1/1")), (1, 1));
    assert_eq!((calls.count("c after 1"), calls.count("a after")), (2, 2));
}

#[tokio::test]
async fn where_nothing_is_to_be_done_nothing_is_called_and_it_is_one_flight() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let (migrator, calls) = observed(numbered(2));
    migrator.run(&mut client, Target::Latest).await.unwrap();
    let before = calls.all().len();
    let report = migrator.run(&mut client, Target::Latest).await.unwrap();
    assert_eq!((report.flights(), calls.all().len()), (1, before));
    // A stamp runs nothing.
    let (more, calls) = observed(numbered(3));
    more.stamp(&mut client, Target::Latest).await.unwrap();
    assert!(calls.all().is_empty());
}

/// The flights of three migrations on a fresh database, as the proxy and the report count them.
async fn flights(migrator: &Migrator) -> (usize, u32) {
    let database = database().await;
    let proxy = Proxy::start(&database.config()).await.with_round_trip(Duration::from_millis(50));
    let (mut client, connection) = proxy.config().connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    proxy.reset();
    let report = migrator.run(&mut client, Target::Latest).await.unwrap();
    assert_eq!(report.applied().count(), 3);
    (proxy.flights(), report.flights())
}

#[tokio::test]
async fn a_hook_costs_the_flight_of_the_release_and_one_around_each_a_flight_for_each() {
    let scribe = || Scribe { name: "", calls: Calls::default(), fails: None };
    let plain = || Migrator::new(numbered(3));
    assert_eq!(flights(&plain()).await, (4, 4));
    assert_eq!(flights(&plain().around_run(scribe())).await, (5, 5));
    assert_eq!(flights(&plain().around_each(scribe())).await, (7, 7));
    assert_eq!(flights(&plain().around_run(scribe()).around_each(scribe()).without_hooks()).await, (4, 4));
}

#[tokio::test]
async fn a_hook_that_fails_before_the_run_leaves_nothing() {
    let database = database().await;
    let (migrator, calls) = failing(numbered(2), "b", "before");
    let error = migrate(&database, &migrator).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.hook(), error.migration()),
        (ErrorKind::Hook, Some(HookPoint::Before), None)
    );
    insta::assert_debug_snapshot!(error, @"
    a hook before the run failed, nothing was done: mend what it says and run again
      caused by: no space left for a backup
    ");
    assert_eq!(calls.all(), ["a before 2", "b before 2", "a failed 0 Hook"]);
    let client = database.connect().await.unwrap();
    assert!(!exists(&client, "t1").await && !exists(&client, "dunlin_history").await);
    assert_eq!(left_behind(&client).await, (0, 0));
}

#[tokio::test]
async fn a_hook_that_fails_after_the_run_keeps_what_is_applied_and_is_not_called_again() {
    let database = database().await;
    let (migrator, calls) = failing(numbered(2), "b", "after");
    let error = migrate(&database, &migrator).await.unwrap_err();
    assert_eq!((error.kind(), error.hook()), (ErrorKind::Hook, Some(HookPoint::After)));
    insta::assert_snapshot!(error, @"a hook after the run failed: what the run has done stays, and no later run calls the hook for it; do by hand what it was to do (2 migrations were done before it)");
    assert_eq!(
        calls.all().iter().rev().take(2).rev().collect::<Vec<_>>(),
        ["b after 2 current", "a failed 2 Hook"]
    );
    let client = database.connect().await.unwrap();
    assert_eq!(history(&client).await, "1 applied, 2 applied");
    assert_eq!(left_behind(&client).await, (0, 0));
    let before = calls.all().len();
    assert_eq!(migrate(&database, &migrator).await.unwrap().flights(), 1);
    assert_eq!(calls.all().len(), before);
}

#[tokio::test]
async fn a_hook_that_fails_before_a_migration_leaves_it_for_the_next_run() {
    let database = database().await;
    let (migrator, calls) = failing(numbered(3), "d", "before 2");
    let error = migrate(&database, &migrator).await.unwrap_err();
    assert_eq!(error.migration().unwrap().version(), 2);
    insta::assert_snapshot!(error, @"a hook before migration 2 (create_t2) failed, which was not begun: mend what it says and run again (one migration was done before it)");
    assert_eq!(
        calls.all().iter().rev().take(5).rev().collect::<Vec<_>>(),
        ["c before 2 up 2/3", "d before 2 up 2/3", "c failed 2 Hook", "b failed 1 Hook", "a failed 1 Hook"]
    );
    let client = database.connect().await.unwrap();
    assert_eq!(history(&client).await, "1 applied");
    // What was applied is announced: who knows no more boots in one flight.
    let known = Migrator::new(numbered(1));
    assert_eq!(migrate(&database, &known).await.unwrap().flights(), 1);
    let (migrator, calls) = observed(numbered(3));
    assert_eq!(migrate(&database, &migrator).await.unwrap().applied().count(), 2);
    assert_eq!(calls.count("c before 2 up 1/2"), 1);
}

#[tokio::test]
async fn a_hook_that_fails_after_a_migration_keeps_it() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let two = |n: i64| migration(n, "SELECT 1", "SELECT 2", None);
    let set = MigrationSet::builder().migration(two(1)).migration(two(2)).build().unwrap();
    let (migrator, calls) = failing(set.clone(), "d", "after 1");
    let error = migrator.run(&mut client, Target::Latest).await.unwrap_err();
    insta::assert_snapshot!(error, @"a hook after migration 1 (m1) failed: the migration is done and stays, and no later run calls the hook for it; do by hand what it was to do, and run again to go on (one migration was done before it)");
    assert_eq!((calls.count("d after 1"), calls.count("c failed 1"), calls.count("d failed")), (1, 1, 0));
    assert_eq!(history(&client).await, "1 applied");
    assert_eq!(left_behind(&client).await, (0, 0));

    let (migrator, _) = failing(set, "d", "after 1");
    let error = migrator.run(&mut client, Target::Base).await.unwrap_err();
    insta::assert_snapshot!(error, @"a hook after reverting migration 1 (m1) failed: the migration is done and stays, and no later run calls the hook for it; do by hand what it was to do, and run again to go on (one migration was done before it)");
}

#[tokio::test]
async fn a_migration_that_fails_is_told_to_all_who_were_told_of_it() {
    let database = database().await;
    let (migrator, calls) = observed(texts(&["SELECT 1", "SELECT 1 / 0", "SELECT 3"]));
    let error = migrate(&database, &migrator).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Migration);
    assert_eq!(
        calls.all().iter().rev().take(6).rev().collect::<Vec<_>>(),
        [
            "c before 2 up 2/3",
            "d before 2 up 2/3",
            "d failed 2 Migration",
            "c failed 2 Migration",
            "b failed 1 Migration",
            "a failed 1 Migration"
        ]
    );
    let client = database.connect().await.unwrap();
    assert_eq!(events(&client).await, "1 applied, 2 failed 22012");
}

#[tokio::test]
async fn a_migration_that_is_tried_again_is_told_of_once() {
    let (database, _client) = with_tries().await;
    let (migrator, calls) = observed(texts(&["SELECT 1", MEETS_OTHERS_ONCE]));
    let report = migrate(&database, &migrator).await.unwrap();
    assert_eq!((report.applied().count(), report.retries()), (2, 1));
    assert_eq!((calls.count("c before 2"), calls.count("c after 2"), calls.count("c failed")), (1, 1, 0));
}

#[tokio::test]
async fn a_run_that_loses_its_connection_is_told_of_once() {
    let (database, client) = with_tries().await;
    let (migrator, calls) = observed(texts(&["SELECT 1", DIES_ONCE, "SELECT 3"]));
    let report = migrate(&database, &migrator).await.unwrap();
    assert_eq!(report.applied().count(), 3);
    for call in ["a before 3", "a after 3", "c before 2 up 2/3", "c after 2", "c before 3 up 3/3"] {
        assert_eq!(calls.count(call), 1, "{call} in {:?}", calls.all());
    }
    assert_eq!(calls.count("a failed") + calls.count("c failed"), 0);
    assert_eq!(left_behind(&client).await, (0, 0));
}

#[tokio::test]
async fn a_run_that_is_given_up_is_told_of_once() {
    let (database, client) = with_tries().await;
    let dies = "SELECT nextval('tries'), pg_terminate_backend(pg_backend_pid())";
    let (migrator, calls) = observed(texts(&["SELECT 1", dies]));
    let error = migrate(&database, &migrator).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
    let told = ["a before", "a failed 1 Connection", "c before 2", "c failed 2 Connection", "c after 1"];
    assert!(told.iter().all(|call| calls.count(call) == 1), "{:?}", calls.all());
    assert_eq!(calls.count("a after"), 0);
    assert_eq!(left_behind(&client).await, (0, 0));

    // On a client of the caller's the first loss is the last.
    let mut own = database.connect().await.unwrap();
    let (migrator, calls) = observed(texts(&["SELECT 1", dies]));
    migrator.run(&mut own, Target::Latest).await.unwrap_err();
    assert_eq!((calls.count("a failed 0 Connection"), calls.count("c failed 2 Connection")), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wherever_a_connection_is_cut_each_call_comes_once() {
    let mut cuts = 0;
    let messages = |direction| (1..=25).map(move |message| (direction, message));
    for (direction, message) in messages(Direction::ToServer).chain(messages(Direction::ToClient)) {
        let database = database().await;
        let proxy = Proxy::start(&database.config()).await;
        let (migrator, calls) = observed(texts(&["CREATE TABLE a (id int)", "CREATE TABLE b (id int)"]));
        proxy.arm([Fault::cut(direction, message, Cut::Before)]);
        let outcome = dunlin::migrate(&proxy.config(), NoTls, &migrator).await;
        if proxy.struck() == 0 {
            continue;
        }
        cuts += 1;
        // Before it has ever had a connection, a run does not try again.
        let Ok(_) = outcome else {
            assert!(calls.all().is_empty(), "{direction:?} {message}: {:?}", calls.all());
            continue;
        };
        let called = ["a before", "a after", "c before 1", "c after 1", "c before 2", "c after 2"];
        for call in called {
            assert_eq!(calls.count(call), 1, "{call} at {direction:?} {message}: {:?}", calls.all());
        }
        assert_eq!(calls.all().len(), 2 * called.len(), "{direction:?} {message}: {:?}", calls.all());
    }
    assert!(cuts > 10, "{cuts}");
}

/// Ends the session that has the migration lock.
async fn end_runner(other: &Client) -> Result<(), BoxError> {
    let holder = "SELECT pg_terminate_backend(l.pid, 10000) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database \
         WHERE l.locktype = 'advisory' AND d.datname = current_database()";
    assert_eq!(other.query(holder, &[]).await?.len(), 1);
    Ok(())
}

/// Ends the connection that works and does its work elsewhere, while it waits.
struct TakesOver(Config, MigrationSet);

#[async_trait::async_trait]
impl RunHook for TakesOver {
    async fn before(&self, cx: &RunContext<'_>) -> Result<(), BoxError> {
        end_runner(&*cx.connect().await?).await?;
        dunlin::migrate(&self.0, NoTls, &Migrator::new(self.1.clone())).await?;
        Ok(())
    }
}

#[tokio::test]
async fn a_run_whose_work_others_have_done_ends_for_its_hooks() {
    let database = database().await;
    let calls = Calls::default();
    let scribe = Scribe { name: "a", calls: calls.clone(), fails: None };
    let migrator =
        Migrator::new(numbered(2)).around_run(scribe).around_run(TakesOver(database.config(), numbered(2)));
    let report = migrate(&database, &migrator).await.unwrap();
    assert_eq!((report.applied().count(), report.already_applied()), (0, 2));
    assert_eq!(calls.all(), ["a before 2", "a after 0 current"]);
}

/// The same before the migration 2, of which others then do no more than that.
struct TakesOverIn(Config, Calls);

#[async_trait::async_trait]
impl MigrationHook for TakesOverIn {
    async fn before(&self, cx: &MigrationHookContext<'_>) -> Result<(), BoxError> {
        if cx.id().version() == 2 {
            end_runner(&*cx.connect().await?).await?;
            dunlin::migrate(&self.0, NoTls, &Migrator::new(numbered(2))).await?;
        }
        Ok(())
    }

    async fn after(&self, cx: &MigrationHookContext<'_>, took: Duration) -> Result<(), BoxError> {
        self.1.add(format!("after {} {}", cx.id().version(), took > Duration::ZERO));
        Ok(())
    }
}

#[tokio::test]
async fn a_migration_that_others_have_done_ends_for_its_hooks() {
    for (count, expected) in
        [(2, &["after 1 true", "after 2 false"][..]), (3, &["after 1 true", "after 2 false", "after 3 true"])]
    {
        let database = database().await;
        let calls = Calls::default();
        let hook = TakesOverIn(database.config(), calls.clone());
        let report = migrate(&database, &Migrator::new(numbered(count)).around_each(hook)).await.unwrap();
        assert_eq!(report.applied().count(), expected.len() - 1);
        assert_eq!(calls.all(), expected);
    }
}

/// Counts the advisory locks of the database through another connection.
struct SeesLock(Calls);

impl SeesLock {
    async fn look(&self, cx: &RunContext<'_>) -> Result<(), BoxError> {
        let client = cx.connect().await?;
        let sql = "SELECT count(*) FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database \
             WHERE l.locktype = 'advisory' AND d.datname = current_database()";
        let locks: i64 = client.query_one(sql, &[]).await?.get(0);
        self.0.add(format!("{locks} in {}", cx.run_id().len()));
        Ok(())
    }
}

#[async_trait::async_trait]
impl RunHook for SeesLock {
    async fn before(&self, cx: &RunContext<'_>) -> Result<(), BoxError> {
        self.look(cx).await
    }

    async fn after(&self, cx: &RunContext<'_>, _: &Report) -> Result<(), BoxError> {
        self.look(cx).await
    }

    async fn failed(&self, cx: &RunContext<'_>, _: &Error) {
        self.look(cx).await.unwrap();
    }
}

#[tokio::test]
async fn the_lock_is_held_while_hooks_are_called() {
    for text in [
        "SELECT 1",
        "SELECT 1 / 0",
        "-- dunlin: no-transaction\nVACUUM",
        "-- dunlin: no-transaction\nVACUUM x",
    ] {
        let database = database().await;
        let calls = Calls::default();
        let migrator = Migrator::new(texts(&[text])).around_run(SeesLock(calls.clone()));
        let _ = migrate(&database, &migrator).await;
        let seen = calls.all();
        assert!(seen.len() == 2 && seen.iter().all(|call| call.starts_with("1 in ")), "{text}: {seen:?}");
        assert_eq!(left_behind(&database.connect().await.unwrap()).await, (0, 0));
    }
}

#[tokio::test]
async fn one_of_several_replicas_calls_its_hooks() {
    let database = database().await;
    let (migrator, calls) = observed(numbered(5));
    let boots = join_all((0..5).map(|_| migrate(&database, &migrator))).await;
    let applied: Vec<_> = boots.into_iter().map(|boot| boot.unwrap().applied().count()).collect();
    assert_eq!(applied.iter().sum::<usize>(), 5);
    assert_eq!((calls.count("a before"), calls.count("a after"), calls.count("c before")), (1, 1, 5));
}

#[tokio::test]
async fn one_transaction_for_all_has_hooks_around_the_run_alone() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let calls = Calls::default();
    let scribe = || Scribe { name: "a", calls: calls.clone(), fails: None };
    let migrator = Migrator::new(numbered(2)).transaction(TransactionPolicy::AllOrNothing);
    let each = migrator.clone().around_each(scribe());
    let planned = each.plan(&client, Target::Latest).await.unwrap_err();
    let error = each.run(&mut client, Target::Latest).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(planned.to_string(), error.to_string());
    insta::assert_snapshot!(error, @"hooks around each migration can't be called with `TransactionPolicy::AllOrNothing`, which commits migration 1 (create_t1) with all others: use `Migrator::around_run`, or `TransactionPolicy::PerMigration`");
    assert!(calls.all().is_empty() && !exists(&client, "dunlin_history").await);

    migrator.around_run(scribe()).run(&mut client, Target::Latest).await.unwrap();
    assert_eq!(calls.all(), ["a before 2", "a after 2 current"]);
    assert_eq!(left_behind(&client).await, (0, 0));
}

/// Asks its own run to stop.
struct Stops;

#[async_trait::async_trait]
impl RunHook for Stops {
    async fn before(&self, cx: &RunContext<'_>) -> Result<(), BoxError> {
        cx.migrator().stop().stop();
        Ok(cx.migrator().stop().check()?)
    }
}

#[tokio::test]
async fn a_hook_that_stops_ends_a_run_that_was_asked_to_stop() {
    let database = database().await;
    let calls = Calls::default();
    let scribe = Scribe { name: "a", calls: calls.clone(), fails: None };
    let migrator = Migrator::new(numbered(2)).around_run(scribe).around_run(Stops);
    let error = migrate(&database, &migrator).await.unwrap_err();
    assert_eq!((error.kind(), error.migration().unwrap().version()), (ErrorKind::Stopped, 1));
    assert_eq!(calls.all(), ["a before 2", "a failed 0 Stopped"]);
}

#[tokio::test]
async fn a_hook_finds_resources_and_is_told_why_it_has_no_connection() {
    struct Asks;

    #[async_trait::async_trait]
    impl RunHook for Asks {
        async fn before(&self, cx: &RunContext<'_>) -> Result<(), BoxError> {
            assert_eq!((cx.resource::<u32>(), cx.resource::<i32>()), (Some(&7), None));
            assert_eq!(cx.connector().is_some(), cx.connect().await.is_ok());
            cx.connect().await?;
            Ok(())
        }
    }

    let database = database().await;
    let migrator = Migrator::new(numbered(1)).resource(7_u32).around_run(Asks);
    let mut client = database.connect().await.unwrap();
    let error = migrator.run(&mut client, Target::Latest).await.unwrap_err();
    insta::assert_debug_snapshot!(error, @"
    a hook before the run failed, nothing was done: mend what it says and run again
      caused by: a hook wants a connection of its own, and this run was given one client: call `dunlin::migrate` or `Migrator::run_through`, which open them
    ");
    assert_eq!(migrate(&database, &migrator).await.unwrap().applied().count(), 1);
}

#[tokio::test]
async fn hooks_are_called_behind_a_pooler_and_past_it() {
    let database = database().await;
    let bouncer = PgBouncer::start(&server().await.config(), PoolMode::Transaction, 2).await;
    let config = bouncer.config(database.name());
    let (migrator, calls) = observed(numbered(3));
    let report = dunlin::migrate(&config, NoTls, &migrator.pooler(Pooler::Transaction)).await.unwrap();
    assert_eq!(report.applied().count(), 3);
    assert_eq!((calls.count("a before"), calls.count("a after"), calls.count("d after")), (1, 1, 3));

    let (migrator, calls) = observed(numbered(4));
    let migrator = migrator.direct(Direct::new(database.config(), NoTls));
    dunlin::migrate(&config, NoTls, &migrator).await.unwrap();
    assert_eq!(calls.all().len(), 8);
}

#[tokio::test]
async fn a_fresh_database_of_a_test_calls_no_hooks_of_the_service_s() {
    let (migrator, calls) = observed(texts(&["CREATE TABLE of_a_service_with_hooks (id int)"]));
    let fresh = TestDatabase::fresh(&migrator).await.unwrap();
    assert!(exists(&fresh.connect().await.unwrap(), "of_a_service_with_hooks").await);
    assert!(calls.all().is_empty());
}
