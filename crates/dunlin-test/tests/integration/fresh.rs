//! Fresh databases: what is in them, and how they are made.

use std::{collections::BTreeSet, error::Error as _, thread};

use dunlin_core::{MigrationSet, Migrator, State, Target};
use dunlin_test::{ErrorKind, Server, TestDatabase};
use tokio_postgres::{Client, NoTls};

use crate::starts::own;

/// Birds with an index, a sequence and two rows that belong to the schema.
pub(crate) fn birds() -> MigrationSet {
    MigrationSet::builder()
        .sql(1, "birds", "CREATE TABLE birds (id bigserial PRIMARY KEY, name text NOT NULL, weight int)")
        .sql(
            2,
            "kinds",
            "CREATE TABLE kinds (name text PRIMARY KEY); INSERT INTO kinds VALUES ('wader'), ('gull')",
        )
        .sql(3, "index_birds", "CREATE INDEX ON birds (name)")
        .build()
        .unwrap()
}

pub(crate) async fn names(client: &Client, sql: &str) -> Vec<String> {
    client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
}

/// The databases that there are apart from those of PostgreSQL itself.
pub(crate) async fn databases(server: &Server) -> Vec<String> {
    let (client, connection) = server.config().connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    names(&client, "SELECT datname::text FROM pg_database WHERE datname LIKE 'dunlin%' ORDER BY 1").await
}

async fn fresh(server: &Server) -> TestDatabase {
    TestDatabase::builder(&birds()).server(server).create().await.unwrap()
}

#[tokio::test]
async fn a_fresh_database_has_all_migrations_and_their_rows_and_a_boot_has_nothing_to_do() {
    let server = own().await.unwrap();

    let database = fresh(&server).await;

    let mut client = database.connect().await.unwrap();
    assert_eq!(names(&client, "SELECT name FROM kinds ORDER BY 1").await, ["gull", "wader"]);
    let report = Migrator::new(birds()).run(&mut client, Target::Latest).await.unwrap();
    assert_eq!(report.applied().count(), 0);
    let through_url = database.url().parse::<tokio_postgres::Config>().unwrap();
    assert_eq!(through_url.get_dbname(), Some(database.name()));
    assert_eq!(database.psql(), format!("psql '{}'", database.url()));
}

#[tokio::test]
async fn f54_tests_do_not_see_each_other_and_share_one_template() {
    let server = own().await.unwrap();

    let creating: Vec<_> = (0..20)
        .map(|n| {
            let server = server.clone();
            tokio::spawn(async move {
                let database = fresh(&server).await;
                let client = database.connect().await.unwrap();
                client
                    .execute("INSERT INTO birds (name) VALUES ($1)", &[&format!("bird {n}")])
                    .await
                    .unwrap();
                assert_eq!(names(&client, "SELECT name FROM birds").await, [format!("bird {n}")]);
                database
            })
        })
        .collect();
    let mut all = BTreeSet::new();
    let mut held = Vec::new();
    for task in creating {
        let database = task.await.unwrap();
        all.insert(database.name().to_owned());
        held.push(database);
    }

    assert_eq!(all.len(), 20);
    let templates = databases(&server).await.into_iter().filter(|name| name.starts_with("dunlin_template"));
    assert_eq!(templates.count(), 1);
}

#[tokio::test]
async fn another_target_is_another_template_and_the_rest_can_be_migrated_in_the_test() {
    let server = own().await.unwrap();

    let database =
        TestDatabase::builder(&birds()).at(Target::Version(1)).server(&server).create().await.unwrap();

    let mut client = database.connect().await.unwrap();
    assert!(names(&client, "SELECT name FROM birds").await.is_empty());
    let migrator = Migrator::new(birds());
    assert_eq!(migrator.status(&client).await.unwrap().state(), State::Behind);
    assert_eq!(migrator.run(&mut client, Target::Latest).await.unwrap().applied().count(), 2);
    let fresh = fresh(&server).await;
    assert_eq!(names(&fresh.connect().await.unwrap(), "SELECT name FROM kinds").await.len(), 2);
}

#[tokio::test]
async fn fixtures_run_once_in_their_order_after_the_migrations() {
    let server = own().await.unwrap();
    let builder = TestDatabase::builder(&birds())
        .server(&server)
        .fixture("birds", "INSERT INTO birds (name) VALUES ('dunlin'), ('ruff')")
        .fixture("weights", "UPDATE birds SET weight = 50; SET search_path = nowhere");

    for _ in 0..2 {
        let database = builder.clone().create().await.unwrap();
        let client = database.connect().await.unwrap();
        assert_eq!(
            names(&client, "SELECT name || weight FROM birds ORDER BY 1").await,
            ["dunlin50", "ruff50"]
        );
        client.execute("DELETE FROM birds", &[]).await.unwrap();
    }
}

#[tokio::test]
async fn a_migration_or_a_fixture_that_fails_is_named_and_leaves_no_database() {
    let server = own().await.unwrap();
    let wrong = MigrationSet::builder().sql(1, "typo", "CREATE TABEL birds ()").build().unwrap();

    let error = TestDatabase::builder(&wrong).server(&server).create().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Migration);
    insta::assert_snapshot!(error, @"the migrations could not be applied to a test database");
    insta::assert_snapshot!(error.source().unwrap(), @r#"migration 1 (typo) failed at 1_typo.up.sql:1:8: syntax error at or near "TABEL" (SQLSTATE 42601); nothing of it remains: mend it and run again"#);
    insta::assert_snapshot!(format!("{error:?}"), @r#"
    the migrations could not be applied to a test database
      because: migration 1 (typo) failed at 1_typo.up.sql:1:8: syntax error at or near "TABEL" (SQLSTATE 42601); nothing of it remains: mend it and run again
    "#);

    let sql = "INSERT INTO kinds VALUES ('plover');\nINSERT INTO users VALUES (1)";
    let wrong = TestDatabase::builder(&birds()).server(&server).fixture("users.sql", sql);
    let error = wrong.create().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Migration);
    insta::assert_snapshot!(format!("{error:?}"), @r#"
    the fixture users.sql:2:13 failed on a test database
      because: db error
      because: ERROR: relation "users" does not exist
    "#);
    assert_eq!(databases(&server).await, [""; 0]);
}

#[tokio::test]
async fn settings_of_the_database_come_along() {
    let server = own().await.unwrap();
    let set = |setting: &str| {
        format!("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET {setting}', current_database()); END $$")
    };
    let set = MigrationSet::builder()
        .sql(1, "path", set("search_path = birds, \"$user\", public"))
        .sql(2, "style", set("datestyle = ''German''"))
        .build()
        .unwrap();

    for _ in 0..3 {
        let database = TestDatabase::builder(&set).server(&server).create().await.unwrap();
        let client = database.connect().await.unwrap();
        let shown =
            names(&client, "SELECT current_setting('search_path') || ' ' || current_setting('datestyle')");
        assert_eq!(shown.await, ["birds, \"$user\", public German, DMY"]);
    }
}

#[tokio::test]
async fn settings_that_would_hinder_who_copies_come_along() {
    let server = own().await.unwrap();
    let set = |setting: &str| {
        format!("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET {setting}', current_database()); END $$")
    };
    let set = MigrationSet::builder()
        .sql(1, "role", set("role = pg_monitor"))
        .sql(2, "read_only", set("default_transaction_read_only = on"))
        .build()
        .unwrap();

    let database = TestDatabase::builder(&set).server(&server).create().await.unwrap();

    let client = database.connect().await.unwrap();
    let shown = "SELECT current_user || ' ' || current_setting('transaction_read_only')";
    assert_eq!(names(&client, shown).await, ["pg_monitor on"]);
}

#[test]
fn a_database_outlives_the_runtime_that_it_came_from() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = runtime().block_on(own()).unwrap();
    let database = runtime().block_on(fresh(&server));

    let count = thread::spawn(move || {
        runtime().block_on(async {
            let client = database.connect().await.unwrap();
            names(&client, "SELECT name FROM kinds").await.len()
        })
    });

    assert_eq!(count.join().unwrap(), 2);
}

#[tokio::test]
async fn databases_made_ahead_are_there_when_they_are_asked_for() {
    let server = own().await.unwrap();

    TestDatabase::builder(&birds()).server(&server).prepare(5).await.unwrap();

    let ahead = databases(&server).await;
    assert_eq!(ahead.iter().filter(|name| name.starts_with("dunlin_test")).count(), 5, "{ahead:?}");
    let database = fresh(&server).await;
    assert!(ahead.iter().any(|name| name == database.name()));
}
