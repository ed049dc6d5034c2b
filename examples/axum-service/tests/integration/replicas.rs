//! What becomes of replicas that start while there is much to do, are killed, fail, or are told to end.

use std::time::Duration;

use axum::http::StatusCode;
use axum_service::Release;
use axum_service::fleet::{Copies, Process, Termination};
use dunlin_test::Server;
use fastrand::Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Held, Old, PATIENCE, program};

/// The build of the index waits for a snapshot that the test has, as it would take long for many rows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_replicas_are_alive_at_once_and_ready_together() {
    let old = Old::with(200).await;
    let held = Held::start(&old).await;
    for replica in &held.replicas {
        assert!(replica.live_after() < Duration::from_secs(2), "{:?}", replica.live_after());
        let (status, body) = replica.get("/readyz").await.unwrap();
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{body}");
        assert!(body["reason"].is_string(), "{body}");
        assert_eq!(replica.get("/search?q=dunlins").await.unwrap().0, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(replica.get("/startupz").await.unwrap().0, StatusCode::SERVICE_UNAVAILABLE);
    }
    let [migrates, waits, also_waits] = held.roles().await;
    let told = migrates.migrations().await.unwrap();
    assert_eq!(told["running"]["version"], 7, "{told}");
    for waits in [waits, also_waits] {
        waits.reaches("waiting_for_lock", PATIENCE).await.unwrap();
    }

    held.snapshot.batch_execute("COMMIT").await.unwrap();
    let mut readies = Vec::new();
    for replica in &held.replicas {
        readies.push(replica.ready(PATIENCE).await.unwrap());
        assert_eq!(replica.get("/search?q=dunlins").await.unwrap().0, StatusCode::OK);
    }
    let apart = *readies.iter().max().unwrap() - *readies.iter().min().unwrap();
    assert!(apart < Duration::from_secs(5), "{readies:?}");
    // One has migrated, and nobody else.
    assert_eq!(old.applied_by().await, vec![format!("axum-service 2, replica {}", migrates.name()); 4]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_replica_that_migrates_is_killed_another_goes_on() {
    let old = Old::with(200).await;
    let mut held = Held::start(&old).await;
    let victim = held.roles::<1>().await[0].name().to_owned();
    let place = held.replicas.iter().position(|replica| replica.name() == victim).unwrap();
    held.replicas.remove(place).kill().await.unwrap();

    let successor = held.roles::<1>().await[0].name().to_owned();
    assert_ne!(successor, victim);
    held.snapshot.batch_execute("COMMIT").await.unwrap();
    for replica in &held.replicas {
        replica.ready(PATIENCE).await.unwrap();
        assert_eq!(replica.migrations().await.unwrap()["state"], "current");
    }
    let by = old.applied_by().await;
    assert_eq!(by[3], format!("axum-service 2, replica {successor}"), "{by:?}");
    let valid = "SELECT count(*) FROM pg_index WHERE NOT indisvalid";
    assert_eq!(old.client.query_one(valid, &[]).await.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_program_after_a_newer_one_is_ready_and_says_that_the_database_is_ahead() {
    let old = Old::with(20).await;
    let newer = old.start(Release::Two, "newer").await;
    newer.ready(PATIENCE).await.unwrap();
    newer.stop().await.unwrap();

    let older = old.start(Release::One, "older").await;
    older.ready(PATIENCE).await.unwrap();

    assert_eq!(older.get("/search?q=dunlins").await.unwrap().0, StatusCode::OK);
    let told = older.migrations().await.unwrap();
    assert_eq!((&told["ready"], &told["state"]), (&true.into(), &"ahead".into()), "{told}");
    let ahead = told["steps"].as_array().unwrap().iter().filter(|step| step["state"] == "ahead").count();
    assert_eq!(ahead, 4, "{told}");
    let page = older.get("/migrations/").await.unwrap().1;
    let page = page.as_str().unwrap();
    assert!(page.contains("ahead") && page.contains("search_in_english"), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_that_fails_is_told_of_and_mended_by_a_restart() {
    let old = Old::with(20).await;
    // Release 1 refuses this, and its schema does not.
    old.client.execute("UPDATE utterances SET content = '' WHERE position = 7", &[]).await.unwrap();
    let before = old.start(Release::One, "before").await;
    before.ready(PATIENCE).await.unwrap();

    let fails = old.start(Release::Two, "fails").await;
    fails.reaches("failed", PATIENCE).await.unwrap();
    assert_eq!(fails.get("/livez").await.unwrap().0, StatusCode::OK);
    let file = "migrations/0006_contents_are_there.up.sql";
    let (status, body) = fails.get("/readyz").await.unwrap();
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body["reason"].as_str().unwrap().contains(file), "{body}");
    let told = fails.migrations().await.unwrap();
    let failure = &told["failure"];
    assert_eq!(failure["location"]["file"], file, "{failure}");
    assert_eq!(failure["location"]["line"], 2, "{failure}");
    assert_eq!(failure["code"], "23514", "{failure}");
    assert!(failure["text"].as_str().unwrap().contains("utterances_have_a_content"), "{failure}");
    assert_eq!(failure["migration"]["version"], 6, "{failure}");
    let page = fails.get("/migrations/").await.unwrap().1;
    for expected in [&format!("{file}:2"), "utterances_have_a_content"] {
        assert!(page.as_str().unwrap().contains(expected), "{expected} is not on the page: {page}");
    }
    assert_eq!(fails.get("/search?q=dunlins").await.unwrap().0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(before.get("/search?q=dunlins").await.unwrap().0, StatusCode::OK, "its predecessor goes on");
    fails.stop().await.unwrap();

    old.client.execute("UPDATE utterances SET content = 'mended' WHERE position = 7", &[]).await.unwrap();
    let mended = old.start(Release::Two, "mended").await;
    mended.ready(PATIENCE).await.unwrap();
    let told = mended.migrations().await.unwrap();
    assert_eq!((&told["state"], &told["failure"]), (&"current".into(), &serde_json::Value::Null), "{told}");
}

/// `axum-service terminate` does it a hundred times.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_told_to_end_ends_soon_and_the_next_one_finishes() {
    let server = Server::shared().await.unwrap();
    let copies = Copies::of(&server, 4_000).await.unwrap();
    let mut random = Rng::with_seed(7);
    for _ in 0..4 {
        let moment = Duration::from_millis(random.u64(0..900));
        let database = copies.make().await.unwrap();
        let termination = Termination::at(moment, program(), &database).await;
        assert!(termination.is_ok(), "after {moment:?}: {termination:?}");
        database.drop().await.unwrap();
    }
}

/// At its worst moment: a statement that does not end is cut off, and the history names it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_told_to_end_within_a_statement_cuts_it_off() {
    let old = Old::with(200).await;
    let held = Held::start(&old).await;
    for replica in held.replicas {
        let took = replica.stop().await.unwrap();
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
    let named = "SELECT state::text FROM dunlin_history WHERE version = 7";
    assert_eq!(old.client.query_one(named, &[]).await.unwrap().get::<_, String>(0), "running");
    let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'dunlin%'";
    assert_eq!(old.client.query_one(others, &[]).await.unwrap().get::<_, i64>(0), 0);

    held.snapshot.batch_execute("COMMIT").await.unwrap();
    let next = old.start(Release::Two, "next").await;
    next.ready(PATIENCE).await.unwrap();
}

/// Readiness first: who is told to end takes requests for a moment longer than it says that it does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_told_to_end_says_so_and_still_answers() {
    let old = Old::with(20).await;
    let replica = old.start(Release::One, "a").await;
    replica.ready(PATIENCE).await.unwrap();
    replica.terminate().unwrap();
    while replica.is_ready().await.unwrap() {}
    assert_eq!(replica.get("/search?q=dunlins").await.unwrap().0, StatusCode::OK);
}

/// A stream has no end of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_who_looks_at_the_page_does_not_hold_up_the_end_of_a_replica() {
    let old = Old::with(20).await;
    let mut replica = old.start(Release::One, "a").await;
    replica.ready(PATIENCE).await.unwrap();
    let mut page = tokio::net::TcpStream::connect(replica.address()).await.unwrap();
    page.write_all(b"GET /migrations/events HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    page.read_exact(&mut [0; 200]).await.unwrap();

    replica.terminate().unwrap();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, page.read_to_end(&mut rest)).await;
    assert!(ended.unwrap().is_ok());
    let rest = String::from_utf8_lossy(&rest);
    assert!(
        rest.ends_with("\r\n0\r\n\r\n"),
        "it was cut off: {}",
        rest.chars().rev().take(80).collect::<String>()
    );
    assert!(replica.end(PATIENCE).await.unwrap().success());
}

/// Nobody has to come back for the replicas of a program that is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_ends_with_the_program_that_has_started_it() {
    let old = Old::with(20).await;
    let mut replica: Process = old.start(Release::One, "a").await;
    replica.let_go();
    assert!(replica.end(PATIENCE).await.unwrap().success());
}
