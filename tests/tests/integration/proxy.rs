use std::time::{Duration, Instant};

use futures_util::{SinkExt, future::try_join, pin_mut};
use tests::{Cut, Direction, Fault, Message, Proxy, Traffic, database, server};
use tokio_postgres::{Client, NoTls};

const ROUND_TRIP: Duration = Duration::from_millis(25);

async fn connect(proxy: &Proxy) -> Client {
    let (client, connection) = proxy.config().connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

#[tokio::test]
async fn connecting_is_one_flight_without_a_password_and_three_with_scram() {
    let database = database().await;

    let proxy = Proxy::start(&database.config()).await;
    connect(&proxy).await;
    assert_eq!(proxy.flights(), 1);

    let proxy = Proxy::start(&database.url().parse().unwrap()).await;
    connect(&proxy).await;
    assert_eq!(proxy.flights(), 3);
}

#[tokio::test]
async fn a_simple_query_is_one_flight_however_much_it_says() {
    let database = database().await;
    let proxy = Proxy::start(&database.config()).await.with_recording();
    let client = connect(&proxy).await;
    proxy.reset();

    client.simple_query("SELECT 1").await.unwrap();
    assert_eq!(proxy.flights(), 1);
    client.batch_execute("BEGIN; SELECT 2; COMMIT").await.unwrap();
    assert_eq!(proxy.flights(), 2);
    client.batch_execute("SELECT 1 / 0").await.unwrap_err();
    client.batch_execute("").await.unwrap();

    assert_eq!(proxy.flights(), 4);
    let queries = ["SELECT 1", "BEGIN; SELECT 2; COMMIT", "SELECT 1 / 0", ""];
    assert_eq!(proxy.messages(), queries.map(|sql| Message::Query(sql.to_owned())));
}

#[tokio::test]
async fn a_prepared_statement_is_two_flights_and_a_typed_one_is_one() {
    let database = database().await;
    let proxy = Proxy::start(&database.config()).await.with_recording();
    let client = connect(&proxy).await;
    proxy.reset();

    client.query("SELECT $1::int4", &[&1]).await.unwrap();
    assert_eq!(proxy.flights(), 2);
    client.query_typed("SELECT $1", &[(&1, tokio_postgres::types::Type::INT4)]).await.unwrap();
    assert_eq!(proxy.flights(), 3);

    let said = format!("{:?}", proxy.messages());
    assert!(
        said.starts_with(r#"[Parse("SELECT $1::int4"), Describe, Sync, Bind, Execute, Sync, "#),
        "{said}"
    );
    assert!(said.contains(r#"Parse("SELECT $1"), "#), "{said}");
}

#[tokio::test]
async fn a_pipelined_pair_is_one_flight() {
    let database = database().await;
    let proxy = Proxy::start(&database.config()).await.with_round_trip(ROUND_TRIP);
    let client = connect(&proxy).await;
    proxy.reset();

    try_join(client.simple_query("SELECT 1"), client.simple_query("SELECT 2")).await.unwrap();
    assert_eq!(proxy.flights(), 1);

    let late = async {
        tokio::time::sleep(ROUND_TRIP / 5).await;
        client.simple_query("SELECT 2").await
    };
    try_join(client.simple_query("SELECT 1"), late).await.unwrap();
    assert_eq!(proxy.flights(), 2, "the answer to the first was still on its way");

    client.simple_query("SELECT 3").await.unwrap();
    assert_eq!(proxy.flights(), 3);
}

#[tokio::test]
async fn copying_in_is_two_flights_by_simple_and_extended_query() {
    let database = database().await;
    let proxy = Proxy::start(&database.config()).await;
    let client = connect(&proxy).await;
    client.batch_execute("CREATE TABLE birds (name text)").await.unwrap();
    let statement = client.prepare("COPY birds FROM STDIN").await.unwrap();

    for _ in 0..2 {
        proxy.reset();
        let sink = client.copy_in::<_, &[u8]>(&statement).await.unwrap();
        pin_mut!(sink);
        sink.send(b"dunlin\n").await.unwrap();
        assert_eq!(sink.finish().await.unwrap(), 1);
        assert_eq!(proxy.flights(), 2);
    }
    proxy.reset();
    client.simple_query("SELECT 1").await.unwrap();
    assert_eq!(proxy.flights(), 1, "nothing is owed to the client after it");
}

#[tokio::test]
async fn a_round_trip_takes_its_time_and_throughput_none() {
    let database = database().await;
    let proxy = Proxy::start(&database.config()).await.with_round_trip(ROUND_TRIP);
    let client = connect(&proxy).await;

    let started = Instant::now();
    client.simple_query("SELECT 1").await.unwrap();
    assert!(started.elapsed() >= ROUND_TRIP, "{:?}", started.elapsed());

    let started = Instant::now();
    let rows = client.simple_query("SELECT repeat('x', 1000) FROM generate_series(1, 20000)").await.unwrap();
    assert!(rows.len() > 20_000);
    let each_delayed = ROUND_TRIP / 2 * 20_000;
    assert!(started.elapsed() < each_delayed / 10, "{:?}", started.elapsed());
}

#[tokio::test]
async fn connections_add_up_and_break_with_the_proxy() {
    let proxy = Proxy::start(&server().await.config()).await;
    let (one, two) = (connect(&proxy).await, connect(&proxy).await);
    proxy.reset();

    try_join(one.simple_query("SELECT 1"), two.simple_query("SELECT 1")).await.unwrap();
    assert_eq!(proxy.flights(), 2);

    drop(proxy);
    assert!(one.simple_query("SELECT 1").await.is_err());
    assert!(two.simple_query("SELECT 1").await.is_err());
}

#[tokio::test]
async fn a_cancel_request_goes_through_and_is_no_flight() {
    let database = database().await;
    let proxy = Proxy::start(&database.config()).await.with_recording().with_round_trip(ROUND_TRIP);
    let client = connect(&proxy).await;
    proxy.reset();

    let cancel = async {
        // Sent until it meets the statement: one that comes too early does nothing.
        loop {
            client.cancel_token().cancel_query(NoTls).await.unwrap();
            tokio::time::sleep(ROUND_TRIP).await;
        }
    };
    let result = tokio::select! {
        result = client.simple_query("SELECT pg_sleep(30)") => result,
        () = cancel => unreachable!("it goes on for ever"),
    };

    assert_eq!(result.unwrap_err().code().unwrap().code(), "57014", "query_canceled");
    assert_eq!(proxy.flights(), 1);
    assert!(proxy.messages().contains(&Message::Cancel));
}

#[tokio::test]
async fn a_closed_connection_is_closed_on_both_sides() {
    let database = database().await;
    let proxy = Proxy::start(&database.config()).await;
    let clients = (connect(&proxy).await, connect(&proxy).await);
    assert_eq!(proxy.connections(), 2);

    drop(clients);

    let closed = async {
        while proxy.connections() > 0 {
            tokio::time::sleep(ROUND_TRIP).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), closed).await.unwrap();
}

/// A table, a proxy in front of its database and two clients of it: through the proxy, and not.
async fn birds(database: &dunlin_test::Database) -> (Proxy, Client, Client) {
    let proxy = Proxy::start(&database.config()).await;
    let witness = database.connect().await.unwrap();
    witness.batch_execute("CREATE TABLE birds (name text)").await.unwrap();
    let client = connect(&proxy).await;
    (proxy, client, witness)
}

async fn count(witness: &Client) -> i64 {
    witness.query_one("SELECT count(*) FROM birds", &[]).await.unwrap().get(0)
}

/// Waits until the server has noticed what happened to the only other session.
async fn alone(witness: &Client) {
    let sql = "SELECT count(*) = 1 FROM pg_stat_activity WHERE datname = current_database()";
    let alone = async {
        while !witness.query_one(sql, &[]).await.unwrap().get::<_, bool>(0) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), alone).await.expect("the server does not notice");
}

#[tokio::test]
async fn a_message_to_the_server_counts_if_it_is_cut_after_it_and_not_before() {
    let database = database().await;
    for (cut, inserted) in [(Cut::Before, 1), (Cut::Half, 1), (Cut::After, 2)] {
        let (proxy, client, witness) = birds(&database).await;
        proxy.arm([Fault::cut(Direction::ToServer, 2, cut)]);
        let insert = "INSERT INTO birds VALUES ('dunlin')";
        client.simple_query(insert).await.unwrap();
        assert_eq!(proxy.struck(), 0);
        // Pipelined: all three may travel in one piece.
        let (second, third) = tokio::join!(client.simple_query(insert), client.simple_query(insert));
        assert!(second.is_err() && third.is_err());
        alone(&witness).await;

        assert_eq!((count(&witness).await, proxy.struck()), (inserted, 1), "{cut:?}");
        let later = connect(&proxy).await;
        later.simple_query(insert).await.expect("the fault is over");
        later.simple_query("DROP TABLE birds").await.unwrap();
    }
}

#[tokio::test]
async fn a_message_to_the_client_arrives_if_the_connection_is_cut_after_it_and_not_before() {
    let database = database().await;
    for (cut, arrives) in [(Cut::Before, false), (Cut::Half, false), (Cut::After, true)] {
        let (proxy, client, witness) = birds(&database).await;
        // CommandComplete and ReadyForQuery: the client waits for the second.
        proxy.arm([Fault::cut(Direction::ToClient, 2, cut)]);
        let answer = client.simple_query("INSERT INTO birds VALUES ('dunlin')").await;
        assert_eq!(answer.is_ok(), arrives, "{cut:?}: {answer:?}");
        alone(&witness).await;
        assert_eq!(count(&witness).await, 1, "{cut:?}: it was committed");
        witness.simple_query("DROP TABLE birds").await.unwrap();
    }
}

#[tokio::test]
async fn faults_strike_one_after_the_other_and_every_message_counts() {
    let database = database().await;
    let proxy = Proxy::start(&database.config()).await;
    let startup = Fault::cut(Direction::ToServer, 1, Cut::Before);
    proxy.arm([startup, startup]);
    for struck in 1..=2 {
        assert!(proxy.config().connect(NoTls).await.is_err());
        assert_eq!(proxy.struck(), struck);
    }
    assert_eq!(proxy.traffic(), Traffic { to_server: 2, to_client: 0 });

    proxy.reset();
    let client = connect(&proxy).await;
    let before = proxy.traffic();
    client.simple_query("SELECT 1").await.unwrap();
    let after = proxy.traffic();
    assert_eq!(before.to_server, 1, "the startup");
    assert_eq!(after.to_server, 2, "the query");
    // RowDescription, DataRow, CommandComplete, ReadyForQuery.
    assert_eq!(after.to_client - before.to_client, 4);
}

#[tokio::test]
async fn a_silent_network_says_nothing_until_somebody_closes_it() {
    let database = database().await;
    let (proxy, _, witness) = birds(&database).await;
    alone(&witness).await;
    let (client, connection) = proxy.config().connect(NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    proxy.arm([Fault::silence(Direction::ToServer, 1)]);
    let query = client.simple_query("INSERT INTO birds VALUES ('dunlin')");
    assert!(tokio::time::timeout(ROUND_TRIP * 4, query).await.is_err(), "no answer, and no error");
    assert_eq!((proxy.struck(), proxy.connections()), (1, 1));
    connection.abort();
    alone(&witness).await;
    assert_eq!(count(&witness).await, 0);
}

#[tokio::test]
async fn a_delayed_message_is_late_and_arrives() {
    let database = database().await;
    let proxy = Proxy::start(&database.config()).await;
    let client = connect(&proxy).await;
    proxy.arm([Fault::delay(Direction::ToClient, 3, ROUND_TRIP * 2)]);
    let began = Instant::now();
    client.simple_query("SELECT 1").await.unwrap();
    assert!(began.elapsed() >= ROUND_TRIP * 2, "{:?}", began.elapsed());
    assert_eq!(proxy.struck(), 1);
    assert_eq!(proxy.flights(), 2, "nothing else has changed");
}
