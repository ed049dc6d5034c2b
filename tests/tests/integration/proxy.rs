use std::time::{Duration, Instant};

use futures_util::{SinkExt, future::try_join, pin_mut};
use tests::{Message, Proxy, database, server};
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
