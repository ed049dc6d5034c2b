//! A schema for each test, where the role may not create databases.

use std::time::Instant;

use dunlin_core::Target;
use dunlin_test::{Isolation, Server, TestDatabase};
use tokio_postgres::Client;

use crate::{
    child::Owner,
    fresh::{birds, names},
    starts::own,
};

async fn fresh(server: &Server) -> TestDatabase {
    TestDatabase::builder(&birds()).server(server).isolation(Isolation::Schema).create().await.unwrap()
}

async fn maintenance(server: &Server) -> Client {
    let (client, connection) = server.config().connect(tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn none_is_left(server: &Server) {
    let client = maintenance(server).await;
    let began = Instant::now();
    while !names(&client, "SELECT nspname::text FROM pg_namespace WHERE nspname LIKE 'dunlin%'")
        .await
        .is_empty()
    {
        assert!(began.elapsed().as_secs() < 30, "schemas are left");
    }
}

#[tokio::test]
async fn tests_in_schemas_have_the_migrations_and_do_not_see_each_other() {
    let server = own().await.unwrap();
    let (one, two) = tokio::join!(fresh(&server), fresh(&server));
    let (first, second) = (one.connect().await.unwrap(), two.connect().await.unwrap());

    first.batch_execute("INSERT INTO birds (name) VALUES ('dunlin')").await.unwrap();

    assert_eq!(one.isolation(), Isolation::Schema);
    assert!(names(&second, "SELECT name FROM birds").await.is_empty());
    assert_eq!(names(&second, "SELECT name FROM kinds ORDER BY 1").await, ["gull", "wader"]);
    let url: tokio_postgres::Config = one.url().parse().unwrap();
    let (through_url, connection) = url.connect(tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    assert_eq!(names(&through_url, "SELECT name FROM birds").await, ["dunlin"]);
    assert_eq!(
        names(&first, "SELECT nspname::text FROM pg_namespace WHERE nspname = 'public'").await,
        ["public"]
    );

    drop((one, two));
    none_is_left(&server).await;
}

#[tokio::test]
async fn a_test_in_a_schema_migrates_with_its_own_history() {
    let server = own().await.unwrap();
    let builder = TestDatabase::builder(&birds()).at(Target::Version(1)).isolation(Isolation::Schema);
    let database = builder.fixture("birds", "INSERT INTO birds (name) VALUES ('ruff')").server(&server);
    let database = database.create().await.unwrap();
    let mut client = database.connect().await.unwrap();

    let report = database.migrator(&birds()).run(&mut client, Target::Latest).await.unwrap();

    assert_eq!(report.applied().count(), 2);
    assert_eq!(names(&client, "SELECT name FROM birds").await, ["ruff"]);
    assert_eq!(
        names(&client, "SELECT schemaname::text FROM pg_tables WHERE tablename = 'dunlin_history'").await,
        [database.name()]
    );
}

#[tokio::test]
async fn a_role_that_may_not_create_databases_gets_schemas_by_itself_and_leaves_none() {
    let server = own().await.unwrap();
    let client = maintenance(&server).await;
    client
        .batch_execute("CREATE ROLE plain LOGIN PASSWORD 'plain'; GRANT CREATE ON DATABASE postgres TO plain")
        .await
        .unwrap();
    let port = server.config().get_ports()[0];
    let url = format!("postgres://plain:plain@127.0.0.1:{port}/postgres");

    let killed = Owner::test("hold", &[("DATABASE_URL", &url)]);
    let passed = Owner::test("pass", &[("DATABASE_URL", &url)]);

    for owner in [&killed, &passed] {
        let schema = format!("options=-c%20search_path%3D{}%2Cpublic", owner.said("database")[0]);
        assert!(owner.said("url")[0].ends_with(&schema), "{:?}", owner.said);
    }
    assert!(passed.outcome().0);
    let mut killed = killed;
    killed.kill();
    none_is_left(&server).await;
}
