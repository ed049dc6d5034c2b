//! Servers that several processes share.

use std::{collections::BTreeSet, env, process, thread};

use dunlin_test::{Server, TestDatabase};
use tokio_postgres::NoTls;

use crate::{
    child::{Owner, wait_until},
    ends::{is_gone, signal, watchdogs},
    fresh::{birds, databases},
    starts::{ask, folder},
};

/// A name that no other test's server has.
fn likeness(what: &str) -> String {
    format!("{what} of {}", process::id())
}

#[test]
fn processes_that_start_at_once_share_one_server_and_the_last_one_takes_it_along() {
    let likeness = likeness("at once");
    let mut owners: Vec<Owner> = thread::scope(|scope| {
        let starting = [(); 4].map(|()| scope.spawn(|| Owner::share(&likeness)));
        starting.map(|start| start.join().unwrap()).into()
    });
    let folder = owners[0].folder();
    for owner in &owners {
        assert_eq!(owner.folder(), folder);
    }

    // Whoever has started it is among the first three or the last one: it makes no difference.
    let mut last = owners.pop().unwrap();
    for owner in &mut owners {
        owner.kill();
    }
    assert_eq!(Owner::share(&likeness).folder(), folder, "it serves who is left and who comes");
    last.kill();

    wait_until("server, watchdog and folder are gone", || is_gone(&folder));
}

#[test]
fn processes_one_after_another_find_the_server_of_the_one_before() {
    let likeness = likeness("in turn");
    let first = Owner::share(&likeness);
    let folder = first.folder();
    first.end();

    for _ in 0..3 {
        let next = Owner::share(&likeness);
        assert_eq!(next.folder(), folder);
        next.end();
    }

    wait_until("server, watchdog and folder are gone", || is_gone(&folder));
    let later = Owner::share(&likeness);
    assert_ne!(later.folder(), folder, "what has ended is not found again");
    later.end();
}

#[tokio::test]
async fn the_next_start_sweeps_a_shared_server_without_users_and_watchdog() {
    let likeness = likeness("unwatched");
    let mut owner = Owner::share(&likeness);
    let folder = owner.folder();
    let other = Owner::share(&likeness);
    signal("-KILL", &watchdogs(&folder));
    owner.kill();

    Owner::run("owner", &[]);
    assert!(folder.join("data/postmaster.pid").exists(), "somebody still uses it");
    other.end();
    Owner::run("owner", &[]);

    wait_until("the left server and its folder are gone", || is_gone(&folder));
}

#[tokio::test]
async fn a_shared_server_that_crashed_is_replaced() {
    let likeness = likeness("crashed");
    let first = Owner::share(&likeness);
    let folder = first.folder();
    let pid = std::fs::read_to_string(folder.join("data/postmaster.pid")).unwrap();
    signal("-KILL", &[pid.lines().next().unwrap().parse().unwrap()]);
    wait_until("the watchdog has noticed", || folder.join("exit").exists());

    let second = Owner::share(&likeness);

    assert_ne!(second.folder(), folder);
    second.end();
    first.end();
    wait_until("both are gone", || is_gone(&folder));
}

#[tokio::test]
async fn a_server_that_stays_for_a_kept_database_can_be_stopped_by_hand_and_leaves_nothing() {
    let builder = Server::builder().setting("cluster_name", likeness("kept")).shared();
    let server = builder.start().await.unwrap();
    let database = TestDatabase::builder(&birds()).server(&server).create().await.unwrap();
    database.keep();
    drop(database);
    let folder = folder(&server);
    drop(server);

    let pid = std::fs::read_to_string(folder.join("data/postmaster.pid")).unwrap();
    signal("-INT", &[pid.lines().next().unwrap().parse().unwrap()]);

    wait_until("server, watchdog and folder are gone", || is_gone(&folder));
}

#[tokio::test]
async fn within_a_process_all_get_one_server_and_stopping_lets_go_of_it() {
    if env::var_os("DATABASE_URL").is_some() {
        return;
    }
    let start = || Server::builder().setting("cluster_name", likeness("within")).shared().start();
    let (one, two) = tokio::try_join!(start(), start()).unwrap();
    assert_eq!(folder(&one), folder(&two));
    let folder = folder(&one);

    one.stop().await.unwrap();

    assert_eq!(ask(&two.config(), "SELECT 'alive'").await, "alive");
    drop(two);
    wait_until("server, watchdog and folder are gone", || is_gone(&folder));
}

#[tokio::test]
async fn what_the_dead_have_left_is_taken_over_by_one_each() {
    let likeness = likeness("orphans");
    let start = || Server::builder().setting("cluster_name", &likeness).shared().start();
    let (dead, server) = tokio::try_join!(start(), start()).unwrap();
    TestDatabase::builder(&birds()).server(&dead).prepare(4).await.unwrap();
    let left = databases(&dead).await;
    drop(dead);
    let locks = "SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory'";
    while ask(&server.config(), locks).await != "0" {
        tokio::task::yield_now().await;
    }

    let asking: Vec<_> =
        (0..8).map(|_| tokio::spawn(TestDatabase::builder(&birds()).server(&server).create())).collect();
    let mut given = Vec::new();
    for task in asking {
        given.push(task.await.unwrap().unwrap());
    }

    let names: BTreeSet<_> = given.iter().map(|database| database.name().to_owned()).collect();
    assert_eq!(names.len(), 8, "nobody shares one: {names:?}");
    if server.version_num() >= 150_000 {
        assert!(left.iter().filter(|name| names.contains(*name)).count() == 4, "{left:?} {names:?}");
    }
}

#[tokio::test]
async fn a_template_that_is_used_every_day_is_not_taken_for_one_that_nobody_needs() {
    let likeness = likeness("daily");
    let start = || Server::builder().setting("cluster_name", &likeness).shared().start();
    let (yesterday, today) = tokio::try_join!(start(), start()).unwrap();
    TestDatabase::builder(&birds()).server(&yesterday).prepare(0).await.unwrap();
    let last_used = "SELECT substring(shobj_description(oid, 'pg_database') FROM 'last used ([0-9]+)') \
                     FROM pg_database WHERE datistemplate AND datname LIKE 'dunlin%'";
    let built = ask(&today.config(), last_used).await;
    let then = built.parse::<u64>().unwrap() - 6 * 86_400;
    let age = format!(
        "DO $$ DECLARE template record; BEGIN \
           SELECT datname, shobj_description(oid, 'pg_database') AS comment INTO template \
           FROM pg_database WHERE datistemplate AND datname LIKE 'dunlin%'; \
           EXECUTE format('COMMENT ON DATABASE %I IS %L', template.datname, replace(template.comment, '{built}', '{then}')); \
         END $$"
    );
    let (client, connection) = today.config().connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute(&age).await.unwrap();
    assert_eq!(ask(&today.config(), last_used).await, then.to_string());

    TestDatabase::builder(&birds()).server(&today).create().await.unwrap();

    assert!(ask(&today.config(), last_used).await >= built);
}

#[tokio::test]
async fn a_database_that_is_being_made_is_nobody_else_s() {
    let likeness = likeness("being made");
    let start = || Server::builder().setting("cluster_name", &likeness).shared().start();
    let (slow, other) = tokio::try_join!(start(), start()).unwrap();
    TestDatabase::builder(&birds()).server(&slow).prepare(0).await.unwrap();
    // The connection with the locks is the first one.
    let first = "SELECT pid::text FROM pg_stat_activity WHERE backend_type = 'client backend' \
                 AND pid <> pg_backend_pid() ORDER BY backend_start LIMIT 1";
    let life = ask(&slow.config(), first).await.parse().unwrap();
    signal("-STOP", &[life]);
    let making = tokio::spawn({
        let builder = TestDatabase::builder(&birds()).server(&slow);
        async move { builder.prepare(2).await }
    });

    let mut given = Vec::new();
    for _ in 0..6 {
        given.push(TestDatabase::builder(&birds()).server(&other).create().await.unwrap());
    }
    signal("-CONT", &[life]);

    making.await.unwrap().unwrap();
}
