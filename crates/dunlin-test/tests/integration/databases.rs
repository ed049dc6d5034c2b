use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use dunlin_test::{ErrorKind, Server};
use tokio_postgres::NoTls;

use crate::{
    child::{Owner, wait_until},
    starts::{ask, folder, own},
};

const NAMES: &str =
    "SELECT coalesce(string_agg(datname, ' '), '') FROM pg_database WHERE datname LIKE 'dunlin%'";

#[tokio::test]
async fn a_database_is_new_and_empty() {
    let server = own().await.unwrap();

    let database = server.create_database().await.unwrap();

    let client = database.connect().await.unwrap();
    let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(client.query_one(tables, &[]).await.unwrap().get::<_, i64>(0), 0);
    assert_eq!(ask(&database.config(), "SELECT current_database()::text").await, database.name());
    assert_eq!(
        ask(&database.url().parse().unwrap(), "SELECT current_database()::text").await,
        database.name()
    );
}

#[tokio::test]
async fn databases_can_be_created_all_at_once() {
    let server = own().await.unwrap();

    let creating: Vec<_> = (0..20)
        .map(|_| {
            let server = server.clone();
            tokio::spawn(async move { server.create_database().await.unwrap() })
        })
        .collect();
    let mut names = BTreeSet::new();
    for task in creating {
        let database = task.await.unwrap();
        names.insert(database.name().to_owned());
    }

    assert_eq!(names.len(), 20);
}

#[tokio::test]
async fn dropping_removes_a_database_even_with_somebody_in_it() {
    let server = own().await.unwrap();
    let database = server.create_database().await.unwrap();
    let inside = database.connect().await.unwrap();

    database.drop().await.unwrap();

    assert_eq!(ask(&server.config(), NAMES).await, "");
    assert!(inside.simple_query("SELECT 1").await.is_err());
}

#[test]
fn a_database_that_goes_out_of_scope_is_removed_without_a_runtime() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = runtime().block_on(own()).unwrap();
    let database = runtime().block_on(server.create_database()).unwrap();
    assert_eq!(runtime().block_on(ask(&server.config(), NAMES)), database.name());

    drop(database);

    wait_until("the database is gone", || runtime().block_on(ask(&server.config(), NAMES)).is_empty());
}

#[tokio::test]
async fn a_database_keeps_its_server() {
    let database = own().await.unwrap().create_database().await.unwrap();

    assert_eq!(ask(&database.config(), "SELECT current_database()::text").await, database.name());
}

#[tokio::test]
async fn a_drop_in_the_middle_of_dropping_still_removes_the_database() {
    let server = own().await.unwrap();
    let database = server.create_database().await.unwrap();

    let mut dropping = Box::pin(database.drop());
    let polled =
        std::future::poll_fn(|cx| std::task::Poll::Ready(dropping.as_mut().poll(cx).is_ready())).await;
    drop(dropping);

    assert!(!polled, "one poll is too short for a connection");
    let started = Instant::now();
    while !ask(&server.config(), NAMES).await.is_empty() {
        assert!(started.elapsed().as_secs() < 30, "the database is still there");
    }
}

#[tokio::test]
async fn an_error_names_the_database_and_what_to_do() {
    let server = own().await.unwrap();
    let database = server.create_database().await.unwrap();
    let name = database.name().to_owned();
    server.stop().await.unwrap();

    let error = database.connect().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    insta::assert_snapshot!(
        error.to_string().replace(&name, "NAME"),
        @"could not connect to the database NAME; see that the server runs and takes this role and database"
    );

    let error = database.server().create_database().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
    insta::assert_snapshot!(
        error,
        @"could not connect to the maintenance database; see that the server runs and takes this role and database"
    );

    let error = database.drop().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connect);
}

#[tokio::test]
async fn the_server_of_database_url_is_used_and_left_running_and_clean() {
    let server = own().await.unwrap();
    let url = server.url();

    let owner = Owner::run("owner", &[("DATABASE_URL", &url)]);

    let port = server.config().get_ports().first().copied().unwrap();
    let origin = format!("PostgreSQL {} of DATABASE_URL, at 127.0.0.1:{port}/postgres", server.version());
    assert_eq!(owner.said("origin"), [origin]);
    let database = url.strip_suffix("postgres").unwrap().to_owned() + owner.said("database")[0];
    assert_eq!(owner.said("url"), [database]);
    let started = Instant::now();
    while !ask(&server.config(), NAMES).await.is_empty() {
        assert!(started.elapsed().as_secs() < 30, "the server lives, and so does the database");
    }
}

#[tokio::test]
async fn a_builder_that_asks_for_something_particular_does_not_use_database_url() {
    let server = own().await.unwrap();

    let owner = Owner::run("particular", &[("DATABASE_URL", &server.url())]);

    assert!(owner.folder() != folder(&server), "{:?}", owner.said);
}

#[tokio::test]
async fn many_databases_that_are_dropped_at_once_do_not_need_a_connection_each() {
    let server = Server::builder().setting("max_connections", "15").start().await.unwrap();
    let mut all = Vec::new();
    for _ in 0..30 {
        all.push(server.create_database().await.unwrap());
    }
    let (client, connection) = server.config().connect(NoTls).await.unwrap();
    tokio::spawn(connection);

    drop(all);

    let left = "SELECT count(*) FROM pg_database WHERE datname LIKE 'dunlin%'";
    let began = Instant::now();
    while client.query_one(left, &[]).await.unwrap().get::<_, i64>(0) > 0 {
        assert!(began.elapsed() < Duration::from_secs(30), "they are still there");
    }
    server.create_database().await.unwrap().connect().await.unwrap();
}

#[tokio::test]
async fn what_a_test_prints_of_a_server_or_a_database_has_no_password_in_it() {
    let server = own().await.unwrap();
    let database = server.create_database().await.unwrap();
    let url: tokio_postgres::Config = server.url().parse().unwrap();
    let password = String::from_utf8(url.get_password().unwrap().to_vec()).unwrap();

    for printed in [format!("{server:?}"), format!("{database:#?}")] {
        assert!(!printed.contains(&password), "{printed}");
    }
}
