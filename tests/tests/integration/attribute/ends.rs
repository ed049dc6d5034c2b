//! What becomes of the databases of a test when it ends.
//!
//! The tests that end one way or another stand in those that look at them: the harness does not find them there, so they are
//! called.
#![expect(unnameable_test_items, reason = "see above")]

use std::cell::RefCell;
use std::future::pending;
use std::panic;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use dunlin_test::{BoxError, FromTestDatabase, Server, TestDatabase};
use tokio_postgres::{Client, Config, NoTls};

use super::migrations;

thread_local! {
    /// The databases of the tests that this one has called.
    static SEEN: RefCell<Vec<Seen>> = const { RefCell::new(Vec::new()) };
}

struct Seen {
    /// It lives on, as it may be of that test alone.
    server: Server,
    database: Config,
    mark: String,
}

/// A database with a row in it by which it is told later: a database that was handed back may be another test's by then.
struct Marked;

impl FromTestDatabase for Marked {
    async fn from_test_database(database: &TestDatabase) -> Result<Self, BoxError> {
        mark(database).await?;
        Ok(Self)
    }
}

async fn mark(database: &TestDatabase) -> Result<Client, BoxError> {
    static MARKS: AtomicU64 = AtomicU64::new(0);
    let mark = format!("marked {}", MARKS.fetch_add(1, Ordering::Relaxed));
    let client = database.connect().await?;
    client.execute("INSERT INTO birds VALUES ($1)", &[&mark]).await?;
    let (server, database) = (database.server().clone(), database.config());
    SEEN.with_borrow_mut(|seen| seen.push(Seen { server, database, mark }));
    Ok(client)
}

/// Sees that so many databases are kept, and drops them.
#[tokio::main(flavor = "current_thread")]
async fn expect_kept(expected: usize) {
    let seen = SEEN.take();
    assert!(!seen.is_empty());
    let mut kept = 0;
    for seen in &seen {
        if is_kept(seen).await {
            kept += 1;
            let admin = connect(&seen.server.config()).await.unwrap();
            let name = seen.database.get_dbname().unwrap();
            admin.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
        }
    }
    assert_eq!(kept, expected);
}

/// Whether the database says that it is kept, and the test's row is still in it: it may be another test's by now.
async fn is_kept(seen: &Seen) -> bool {
    let Some(client) = connect(&seen.database).await else { return false };
    let says = "SELECT FROM pg_database \
                WHERE datname = current_database() AND shobj_description(oid, 'pg_database') LIKE 'kept by dunlin-test %'";
    client.query_one(says, &[]).await.is_ok()
        && client.query_one("SELECT FROM birds WHERE name = $1", &[&seen.mark]).await.is_ok()
}

async fn connect(config: &Config) -> Option<Client> {
    let (client, connection) = config.connect(NoTls).await.ok()?;
    tokio::spawn(connection);
    Some(client)
}

/// The text that the test panics with.
fn panics(test: impl FnOnce() + panic::UnwindSafe) -> String {
    let payload = panic::catch_unwind(test).unwrap_err();
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| payload.downcast_ref::<&str>().map(|&text| text.to_owned())).unwrap()
}

#[test]
fn a_test_that_passes_hands_its_database_back() {
    #[dunlin::test(migrations = migrations())]
    async fn nothing(_: Marked) {}
    #[dunlin::test(migrations = migrations())]
    async fn ok(_: Marked) -> Result<(), BoxError> {
        Ok(())
    }
    nothing();
    assert!(ok() == ExitCode::SUCCESS);
    expect_kept(0);
}

#[test]
fn a_test_that_returns_an_error_keeps_its_database() {
    #[dunlin::test(migrations = migrations())]
    async fn test(_: Marked) -> Result<(), BoxError> {
        Err("there are no birds")?
    }
    assert!(test() == ExitCode::FAILURE);
    expect_kept(1);
}

#[test]
fn a_test_that_panics_keeps_its_database() {
    #[dunlin::test(migrations = migrations(), flavor = "multi_thread")]
    async fn test(_: Marked) {
        panic!("there are no birds");
    }
    assert_eq!(panics(test), "there are no birds");
    expect_kept(1);
}

#[test]
fn a_test_that_panics_as_it_should_hands_its_database_back() {
    #[dunlin::test(migrations = migrations())]
    #[should_panic(expected = "no birds")]
    async fn listed(_: Marked) {
        panic!("there are no birds");
    }
    #[dunlin::test(migrations = migrations())]
    #[should_panic = "no birds"]
    async fn assigned(_: Marked) {
        panic!("there are no birds");
    }
    #[should_panic]
    #[dunlin::test(migrations = migrations())]
    async fn alone(_: Marked) {
        panic!("there are no birds");
    }
    for test in [listed, assigned, alone] {
        panics(test);
    }
    expect_kept(0);
}

#[test]
fn a_test_that_does_not_panic_as_it_should_keeps_its_database() {
    #[dunlin::test(migrations = migrations())]
    #[should_panic(expected = "no birds")]
    async fn otherwise(_: Marked) {
        panic!("there is no sea");
    }
    #[dunlin::test(migrations = migrations())]
    #[should_panic]
    async fn never(_: Marked) {}
    panics(otherwise);
    never();
    expect_kept(2);
}

#[test]
fn an_error_keeps_the_databases_that_were_made_by_hand_too() {
    #[dunlin::test]
    async fn test() -> Result<(), BoxError> {
        for _ in 0..2 {
            mark(&TestDatabase::fresh(&migrations()).await?).await?;
        }
        Err("there are no birds")?
    }
    assert!(test() == ExitCode::FAILURE);
    expect_kept(2);
}

#[test]
fn a_database_made_by_hand_lives_as_long_as_the_test() {
    #[dunlin::test]
    async fn test() -> Result<(), BoxError> {
        let client = mark(&TestDatabase::fresh(&migrations()).await?).await?;
        assert_eq!(super::birds(&client).await.len(), 1);
        Ok(())
    }
    assert!(test() == ExitCode::SUCCESS);
    expect_kept(0);
}

/// What a test asks for in vain.
struct Never;

impl FromTestDatabase for Never {
    async fn from_test_database(database: &TestDatabase) -> Result<Self, BoxError> {
        mark(database).await?;
        Err("the birds are gone".into())
    }
}

#[test]
fn a_test_that_does_not_get_what_it_asks_for_fails_and_keeps_its_database() {
    #[dunlin::test(migrations = migrations())]
    async fn test(_: Never) {
        unreachable!();
    }
    insta::assert_snapshot!(panics(test), @"could not make the `integration::attribute::ends::Never` that this test asks for: the birds are gone");
    expect_kept(1);
}

#[test]
fn not_to_get_what_it_asks_for_is_no_panic_as_it_should() {
    #[dunlin::test(migrations = migrations())]
    #[should_panic]
    async fn test(_: Never) {
        unreachable!();
    }
    test();
    expect_kept(1);
}

#[test]
fn the_tasks_of_a_test_end_with_it() {
    static ENDED: AtomicU64 = AtomicU64::new(0);
    struct End;
    impl Drop for End {
        fn drop(&mut self) {
            ENDED.fetch_add(1, Ordering::SeqCst);
        }
    }
    async fn hold(_: End) {
        pending().await
    }
    #[dunlin::test]
    async fn here() {
        tokio::spawn(hold(End));
    }
    #[dunlin::test(flavor = "multi_thread", worker_threads = 2)]
    async fn on_many_threads() {
        tokio::spawn(hold(End));
    }
    here();
    assert_eq!(ENDED.load(Ordering::SeqCst), 1);
    on_many_threads();
    assert_eq!(ENDED.load(Ordering::SeqCst), 2);
}
