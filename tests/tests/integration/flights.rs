//! Round trips, counted by a proxy that holds every answer back: what is sent meanwhile belongs to the same flight, however
//! busy the machine is.

use std::time::Duration;

use dunlin::{MigrationSet, Migrator, Target};
use tests::{Proxy, database};
use tokio_postgres::NoTls;

use crate::support::{migration, numbered, run};

/// Runs a set on an open connection through a proxy; returns its flights, as the proxy and the report count them.
async fn flights(set: MigrationSet, prepared: bool) -> (usize, u32) {
    let database = database().await;
    let migrator = Migrator::new(set);
    if prepared {
        let mut client = database.connect().await.unwrap();
        migrator.run(&mut client, Target::Latest).await.unwrap();
    }
    let proxy = Proxy::start(&database.config()).await.with_round_trip(Duration::from_millis(50));
    let (mut client, connection) = proxy.config().connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    proxy.reset();
    let report = migrator.run(&mut client, Target::Latest).await.unwrap();
    (proxy.flights(), report.flights())
}

#[tokio::test]
async fn nothing_to_do_is_one_flight_however_long_the_history() {
    for count in [1, 100, 1_000] {
        assert_eq!(flights(numbered(count), true).await, (1, 1), "{count} applied");
    }
}

#[tokio::test]
async fn a_fresh_database_is_four_flights_of_which_one_applies_everything() {
    // The look, the lock, the history, the migrations with the history's own tables before and the release behind them.
    assert_eq!(flights(numbered(1), false).await, (4, 4));
    assert_eq!(flights(numbered(100), false).await, (4, 4));
}

#[tokio::test]
async fn a_hundred_migrations_travel_in_one_message() {
    let database = database().await;
    let proxy = Proxy::start(&database.config()).await.with_recording();
    let (mut client, connection) = proxy.config().connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    run(&mut client, numbered(100)).await.unwrap();
    let messages: Vec<_> = proxy.messages().iter().map(|message| format!("{message:?}")).collect();
    let of_migrations: Vec<_> =
        messages.iter().filter(|message| message.contains("CREATE TABLE t")).collect();
    assert_eq!(of_migrations.len(), 1);
    assert!((1..=100).all(|n| of_migrations[0].contains(&format!("CREATE TABLE t{n} "))));
}

#[tokio::test]
async fn each_verify_script_is_one_flight_more() {
    let verified = |version: i64| {
        let up = format!("CREATE TABLE v{version} (id int)");
        migration(
            version,
            &up,
            "SELECT 1",
            Some("SELECT true; SELECT count(*) = 0 AS empty FROM pg_am WHERE false"),
        )
    };
    let one = MigrationSet::builder().migration(verified(1)).build().unwrap();
    assert_eq!(flights(one, false).await, (5, 5));
    let three = MigrationSet::builder().migration(verified(1)).migration(verified(2)).migration(verified(3));
    assert_eq!(flights(three.build().unwrap(), false).await, (7, 7));
}

#[tokio::test]
async fn pending_migrations_on_a_known_database_are_five_flights() {
    // The look, the history, the lock, the history under it, the migrations with the release.
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    run(&mut client, numbered(3)).await.unwrap();
    let report = run(&mut client, numbered(50)).await.unwrap();
    assert_eq!((report.applied().count(), report.flights()), (47, 5));
}
