//! What becomes of a test's database when the test is over.

use std::{collections::BTreeSet, env, fs, time::Instant};

use dunlin_test::{Server, TestDatabase};
use tokio_postgres::NoTls;

use crate::{
    child::Owner,
    fresh::{birds, databases},
    starts::{ask, own},
};

/// The databases that are no templates, once all has gone that shall go.
async fn left(server: &Server, count: usize) -> Vec<String> {
    let began = Instant::now();
    loop {
        let left: Vec<String> =
            databases(server).await.into_iter().filter(|name| name.starts_with("dunlin_test")).collect();
        if left.len() == count {
            return left;
        }
        assert!(began.elapsed().as_secs() < 30, "{left:?} are left");
    }
}

#[tokio::test]
async fn a_test_that_passes_leaves_nothing_but_the_template() {
    let server = own().await.unwrap();

    let passed = Owner::test("pass", &[("DATABASE_URL", &server.url())]);

    assert!(passed.outcome().0);
    assert!(left(&server, 0).await.is_empty());
    let [template] = &databases(&server).await[..] else { panic!("one template stays") };
    assert!(template.starts_with("dunlin_template_"));
}

#[tokio::test]
async fn processes_in_turn_use_what_the_one_before_has_left_and_make_no_more() {
    let server = own().await.unwrap();

    for _ in 0..6 {
        assert!(Owner::test("pass", &[("DATABASE_URL", &server.url())]).outcome().0);
    }

    // One that was in use and two ahead; the first process may have ended before it had seen what it made.
    let there = databases(&server).await.into_iter().filter(|name| name.starts_with("dunlin_test"));
    assert!(there.count() <= 5);
    left(&server, 0).await;
}

#[tokio::test]
async fn a_test_that_fails_keeps_its_database_and_says_how_to_reach_it_and_the_next_failure_replaces_it() {
    let server = own().await.unwrap();
    let url = server.url();
    let fail = || Owner::test("fail", &[("DATABASE_URL", &url)]);

    let first = fail();
    let name = first.said("database")[0].to_owned();
    let command = format!("psql '{}'", first.said("url")[0]);
    assert_eq!(first.said("psql"), [command.as_str()]);
    let said = format!(
        "the database of child::run_as_test is kept for a day: {}\n  {command}\n",
        first.said("url")[0]
    );
    let (is_success, complaints) = first.outcome();
    assert!(!is_success && complaints.contains(&said), "{complaints}");
    assert_eq!(left(&server, 1).await, std::slice::from_ref(&name));
    let mut config = server.config();
    config.dbname(&name);
    assert_eq!(ask(&config, "SELECT name FROM birds").await, "dunlin");

    // The same test of another program, of which this is a copy.
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("other");
    fs::copy(env::current_exe().unwrap(), &program).unwrap();
    let others = Owner::test_of(program, "fail", &[("DATABASE_URL", &url)]);
    let others_name = others.said("database")[0].to_owned();
    assert!(!others.outcome().0);
    assert_eq!(
        BTreeSet::from_iter(left(&server, 2).await),
        BTreeSet::from([name.clone(), others_name.clone()])
    );

    let second = fail();
    let other = second.said("database")[0].to_owned();
    assert!(!second.outcome().0);
    assert_ne!(other, name);
    assert_eq!(BTreeSet::from_iter(left(&server, 2).await), BTreeSet::from([other, others_name]));
}

#[tokio::test]
async fn dunlin_test_keep_keeps_all_or_none() {
    let server = own().await.unwrap();
    let url = server.url();

    let kept = Owner::test("pass", &[("DATABASE_URL", &url), ("DUNLIN_TEST_KEEP", "1")]);
    let name = kept.said("database")[0].to_owned();
    assert!(kept.outcome().0);
    assert_eq!(left(&server, 1).await, std::slice::from_ref(&name));

    let failed = Owner::test("fail", &[("DATABASE_URL", &url), ("DUNLIN_TEST_KEEP", "0")]);
    assert!(!failed.outcome().0);
    assert_eq!(left(&server, 1).await, [name]);

    let (is_success, complaints) =
        Owner::test("pass", &[("DATABASE_URL", &url), ("DUNLIN_TEST_KEEP", "yes")]).outcome();
    let said = "the environment variable DUNLIN_TEST_KEEP is \"yes\"; it must be `1` to keep the database of every \
                test, or `0` to keep none";
    assert!(!is_success && complaints.contains(said), "{complaints}");
}

#[tokio::test]
async fn f54_of_two_runs_at_once_one_is_killed_and_the_other_keeps_its_database() {
    let server = own().await.unwrap();
    let url = server.url();
    let mut killed = Owner::test("hold", &[("DATABASE_URL", &url)]);
    let living = Owner::test("hold", &[("DATABASE_URL", &url)]);
    killed.kill();

    // Each start sweeps.
    for _ in 0..3 {
        assert!(Owner::test("pass", &[("DATABASE_URL", &url)]).outcome().0);
    }

    let mut config = server.config();
    config.dbname(living.said("database")[0]);
    assert_eq!(ask(&config, "SELECT name FROM birds").await, "dunlin");
    living.end();
    left(&server, 0).await;
}

#[tokio::test]
async fn a_database_can_be_kept_by_name() {
    let server = own().await.unwrap();
    let database = TestDatabase::builder(&birds()).server(&server).create().await.unwrap();
    let name = database.name().to_owned();

    database.keep();
    drop(database);

    let mut config = server.config();
    config.dbname(&name);
    let comment =
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()";
    let test = std::thread::current().name().unwrap().to_owned();
    let comment = ask(&config, comment).await;
    let (since, whose) = comment.split_once(" for ").unwrap();
    assert!(since.starts_with("kept by dunlin-test since "), "{comment}");
    assert!(whose.starts_with(&format!("{test} in integration-")), "{comment}");
}

#[tokio::test]
async fn a_server_that_ends_idle_sessions_leaves_the_one_that_holds_the_locks() {
    let server = own().await.unwrap();
    if server.version_num() < 140_000 {
        return;
    }
    let (client, connection) = server.config().connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("ALTER ROLE ALL SET idle_session_timeout = '300ms'").await.unwrap();
    let database = TestDatabase::builder(&birds()).server(&server).ahead(0).create().await.unwrap();
    let idle = database.connect().await.unwrap();

    let began = Instant::now();
    while !idle.is_closed() {
        assert!(began.elapsed().as_secs() < 30, "the session does not end");
        tokio::task::yield_now().await;
    }

    let locks = "SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory'";
    assert_eq!(ask(&server.config(), locks).await, "1");
}
