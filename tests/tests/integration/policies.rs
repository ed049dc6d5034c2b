//! An edited, deleted, renamed, reordered and newer migration each gets its verdict.

use dunlin::{
    Ahead, Edited, Error, ErrorKind, FindingKind, MigrationSet, Migrator, Missing, OutOfOrder, State, Target,
};
use tests::database;
use tokio_postgres::Client;

use crate::support::{exists, history, numbered, run};

fn set(migrations: &[(i64, &str, &str)]) -> MigrationSet {
    let set = migrations
        .iter()
        .fold(MigrationSet::builder(), |set, (version, name, text)| set.sql(*version, *name, text));
    set.build().unwrap()
}

const APPLIED: [(i64, &str, &str); 3] = [
    (10, "users", "CREATE TABLE users (\n  id bigint PRIMARY KEY -- the key\n)"),
    (20, "posts", "CREATE TABLE posts (body text DEFAULT 'a  b')"),
    (30, "tags", "CREATE TABLE tags (name text)"),
];

/// A database with [`APPLIED`].
async fn prepared() -> (dunlin_test::Database, Client) {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    run(&mut client, set(&APPLIED)).await.unwrap();
    (database, client)
}

/// Runs the set with defaults; the error, if there is one, and the status agree.
async fn verdict(client: &mut Client, set: MigrationSet) -> Result<State, Error> {
    let migrator = Migrator::new(set);
    let status = migrator.status(client).await.unwrap();
    let outcome = migrator.run(client, Target::Latest).await;
    assert_eq!(outcome.is_err(), status.state() == State::Diverged, "{status}");
    outcome.map(|report| report.state())
}

#[tokio::test]
async fn f43_an_edited_migration_stops_and_can_be_allowed() {
    let (_database, mut client) = prepared().await;
    let mut edited = APPLIED;
    edited[1].2 = "CREATE TABLE posts (body text DEFAULT 'a b')";
    let error = verdict(&mut client, set(&edited)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Diverged);
    insta::assert_snapshot!(error, @"the database has diverged from this program, nothing was done: migration 20 (posts) was edited after it was applied: restore the file and put the change into a new migration, or accept it with `Edited::Allow`");
    let allowed = Migrator::new(set(&edited)).edited(Edited::Allow);
    assert_eq!(allowed.run(&mut client, Target::Latest).await.unwrap().state(), State::Current);
}

#[tokio::test]
async fn f43_a_deleted_migration_stops_and_can_be_allowed() {
    let (_database, mut client) = prepared().await;
    let left = set(&[APPLIED[0], APPLIED[2], (40, "new", "CREATE TABLE new (id int)")]);
    let error = verdict(&mut client, left.clone()).await.unwrap_err();
    insta::assert_snapshot!(error, @"the database has diverged from this program, nothing was done: migration 20 (posts) is applied but this program does not know it: restore the file, or go on without it with `Missing::Allow`");
    assert!(!exists(&client, "new").await);
    let allowed = Migrator::new(left).missing(Missing::Allow);
    assert_eq!(allowed.run(&mut client, Target::Latest).await.unwrap().applied().count(), 1);
}

#[tokio::test]
async fn f42_a_renamed_migration_is_told_and_stops_nothing() {
    let (_database, mut client) = prepared().await;
    let mut renamed = APPLIED;
    renamed[0].1 = "accounts";
    assert_eq!(verdict(&mut client, set(&renamed)).await.unwrap(), State::Current);
    let status = Migrator::new(set(&renamed)).status(&client).await.unwrap();
    assert!(matches!(status.findings()[0].kind(), FindingKind::Renamed { from, .. } if from == "users"));
}

#[tokio::test]
async fn f42_a_reordered_migration_stops() {
    let (_database, mut client) = prepared().await;
    let mut reordered = APPLIED;
    reordered[0].0 = 25;
    let error = verdict(&mut client, set(&reordered)).await.unwrap_err();
    let told: Vec<_> = error.findings().iter().map(|finding| finding.id().version()).collect();
    assert_eq!((error.kind(), told), (ErrorKind::Diverged, vec![10]));
}

#[tokio::test]
async fn f42_a_late_migration_stops_and_can_be_allowed() {
    let (_database, mut client) = prepared().await;
    let late = set(&[APPLIED[0], (15, "late", "CREATE TABLE late (id int)"), APPLIED[1], APPLIED[2]]);
    let error = verdict(&mut client, late.clone()).await.unwrap_err();
    insta::assert_snapshot!(error, @"the database has diverged from this program, nothing was done: migration 15 (late) is not applied but version 30, a later one, is: give it a later version, or apply it late with `OutOfOrder::Allow`");
    let allowed = Migrator::new(late).out_of_order(OutOfOrder::Allow);
    allowed.run(&mut client, Target::Latest).await.unwrap();
    assert_eq!(history(&client).await, "10 applied, 20 applied, 30 applied, 15 applied");
    // The order of application does not cost the boot its one flight.
    assert_eq!(allowed.run(&mut client, Target::Latest).await.unwrap().flights(), 1);
}

#[tokio::test]
async fn f44_a_newer_database_boots_and_can_be_denied() {
    let (_database, mut client) = prepared().await;
    let older = set(&APPLIED[..2]);
    assert_eq!(verdict(&mut client, older.clone()).await.unwrap(), State::Ahead);
    let denied = Migrator::new(older).ahead(Ahead::Deny);
    let error = denied.run(&mut client, Target::Latest).await.unwrap_err();
    insta::assert_snapshot!(error, @"the database has diverged from this program, nothing was done: migration 30 (tags) is applied and newer than all that this program knows: deploy a newer program, or boot all the same with `Ahead::Allow`");
}

#[tokio::test]
async fn f40_comments_white_space_and_line_ends_stop_nothing_and_cost_no_flight() {
    let (_database, mut client) = prepared().await;
    let mut reformatted = APPLIED;
    reformatted[0].2 = "\u{feff}/* Copyright */\r\nCREATE TABLE users(id bigint PRIMARY KEY)";
    reformatted[1].2 = "CREATE TABLE posts\t(body text\r\nDEFAULT 'a  b') -- done";
    let report = run(&mut client, set(&reformatted)).await.unwrap();
    assert_eq!((report.state(), report.flights()), (State::Current, 1));
    let status = Migrator::new(set(&reformatted)).status(&client).await.unwrap();
    assert_eq!(status.findings().len(), 2);
    assert!(status.findings().iter().all(|finding| *finding.kind() == FindingKind::Reformatted));
}

#[tokio::test]
async fn an_empty_set_leaves_a_fresh_database_alone() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let report = run(&mut client, numbered(0)).await.unwrap();
    assert_eq!((report.state(), report.flights()), (State::Current, 1));
    assert!(!exists(&client, "dunlin_history").await);
}
