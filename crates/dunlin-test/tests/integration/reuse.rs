//! What a used database must be like so that the next test gets it.

use std::{collections::BTreeSet, time::Instant};

use dunlin_core::MigrationSet;
use dunlin_test::{Server, TestDatabase, TestDatabaseBuilder};
use tokio_postgres::error::SqlState;

use crate::{
    ends::signal,
    fresh::{birds, names},
    starts::own,
};

async fn next(server: &Server) -> TestDatabase {
    TestDatabase::builder(&birds()).server(server).create().await.unwrap()
}

/// Lets tests that do this use a database until one that was used came back, and returns it.
async fn again(server: &Server, sql: &str) -> TestDatabase {
    again_of(&TestDatabase::builder(&birds()).server(server), sql).await
}

async fn again_of(builder: &TestDatabaseBuilder, sql: &str) -> TestDatabase {
    let mut used = Vec::new();
    for _ in 0..20 {
        let database = builder.clone().create().await.unwrap();
        if used.iter().any(|name| name == database.name()) {
            return database;
        }
        let client = database.connect().await.unwrap();
        client.batch_execute(sql).await.unwrap();
        used.push(database.name().to_owned());
    }
    panic!("none came back of {used:?}");
}

/// Lets a test do this, and looks on whether any later test gets its database.
async fn is_reused(server: &Server, sql: &str) -> bool {
    let database = next(server).await;
    let name = database.name().to_owned();
    database.connect().await.unwrap().batch_execute(sql).await.unwrap();
    drop(database);
    for _ in 0..10 {
        if next(server).await.name() == name {
            return true;
        }
    }
    false
}

/// Whether this server can tell a clean database.
fn can_tell(server: &Server) -> bool {
    server.version_num() >= 150_000
}

#[tokio::test]
async fn a_used_database_comes_back_as_it_was() {
    let server = own().await.unwrap();
    if !can_tell(&server) {
        return;
    }
    let wear = "INSERT INTO birds (name) SELECT 'bird ' || n FROM generate_series(1, 100) AS n; \
                DELETE FROM birds WHERE id < 10; UPDATE birds SET weight = 1; \
                INSERT INTO kinds VALUES ('owl'); DELETE FROM kinds WHERE name = 'gull'; \
                DELETE FROM dunlin_history WHERE version = 3; SET search_path = nowhere";

    for _ in 0..3 {
        let database = again(&server, wear).await;
        let client = database.connect().await.unwrap();
        let last = client.simple_query("SELECT lastval()").await.unwrap_err();
        assert_eq!(last.code(), Some(&SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE), "{last:?}");
        assert!(names(&client, "SELECT name FROM birds").await.is_empty());
        assert_eq!(names(&client, "SELECT name FROM kinds ORDER BY 1").await, ["gull", "wader"]);
        assert_eq!(names(&client, "SELECT name FROM dunlin_history ORDER BY version").await.len(), 3);
        let id = "INSERT INTO birds (name) VALUES ('dunlin') RETURNING id::text";
        assert_eq!(names(&client, id).await, ["1"], "the sequence went back");
        assert_eq!(names(&client, "SHOW session_replication_role").await, ["origin"]);
        let sessions = "SELECT count(*)::text FROM pg_stat_activity WHERE datname = current_database()";
        assert_eq!(names(&client, sessions).await, ["1"]);
    }
}

#[tokio::test]
async fn who_comes_while_one_is_being_cleaned_waits_for_that_one() {
    let server = own().await.unwrap();
    if !can_tell(&server) {
        return;
    }
    let builder = TestDatabase::builder(&birds()).server(&server).ahead(0);
    let mut names = BTreeSet::new();
    for _ in 0..5 {
        let database = builder.clone().create().await.unwrap();
        database.connect().await.unwrap().batch_execute("INSERT INTO kinds VALUES ('owl')").await.unwrap();
        names.insert(database.name().to_owned());
    }
    assert_eq!(names.len(), 1, "{names:?}");
}

#[tokio::test]
async fn what_a_test_only_rolled_back_or_read_is_no_hindrance() {
    let server = own().await.unwrap();
    for sql in [
        "SELECT * FROM kinds",
        "BEGIN; INSERT INTO birds (name) VALUES ('dunlin'); ROLLBACK",
        "ANALYZE",
        "VACUUM",
        "SELECT nextval('birds_id_seq')",
        "SELECT setval('birds_id_seq', 70, false)",
    ] {
        assert_eq!(is_reused(&server, sql).await, can_tell(&server), "{sql}");
    }
}

#[tokio::test]
async fn a_database_whose_schema_may_differ_does_not_come_back() {
    let server = own().await.unwrap();
    for sql in [
        "CREATE TABLE nests (id int)",
        "CREATE TABLE nests (id int); DROP TABLE nests",
        "BEGIN; DROP TABLE birds; ROLLBACK",
        "ALTER TABLE birds ADD COLUMN age int",
        "CREATE TEMPORARY TABLE nests (id int)",
        "CREATE SCHEMA elsewhere",
        "CREATE FUNCTION one() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE EXTENSION pg_trgm",
        "COMMENT ON TABLE birds IS 'waders'",
        "GRANT SELECT ON birds TO PUBLIC",
        "TRUNCATE birds",
        "ALTER SEQUENCE birds_id_seq INCREMENT 5",
        "SELECT lo_create(0)",
        "CREATE STATISTICS s ON name, weight FROM birds",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''8MB''', current_database()); END $$",
        "DO $$ BEGIN EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database()); END $$",
        "DO $$ BEGIN EXECUTE format('COMMENT ON DATABASE %I IS ''mine''', current_database()); END $$",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT 3', current_database()); END $$",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I IS_TEMPLATE true', current_database()); END $$",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO pg_monitor', current_database()); END $$",
        "CREATE SUBSCRIPTION birds CONNECTION 'dbname=nowhere' PUBLICATION birds WITH (connect = false)",
        "SELECT pg_stat_reset()",
        "SELECT pg_stat_reset_single_table_counters('pg_class'::regclass)",
        "INSERT INTO birds (name) SELECT 'bird' FROM generate_series(1, 30000)",
    ] {
        assert!(!is_reused(&server, sql).await, "{sql}");
    }
}

#[tokio::test]
async fn a_prepared_transaction_keeps_its_database_from_coming_back() {
    let server = Server::builder().setting("max_prepared_transactions", "5").start().await.unwrap();
    let prepare = "BEGIN; INSERT INTO birds (name) VALUES ('dunlin'); PREPARE TRANSACTION 'left'";

    assert!(!is_reused(&server, prepare).await);
}

#[tokio::test]
async fn f54_who_is_still_in_a_used_database_is_put_out() {
    let server = own().await.unwrap();
    if !can_tell(&server) {
        return;
    }
    let database = next(&server).await;
    let name = database.name().to_owned();
    let left = database.connect().await.unwrap();
    left.batch_execute("BEGIN; INSERT INTO birds (name) VALUES ('dunlin')").await.unwrap();
    drop(database);

    let mut held = Vec::new();
    while held.iter().all(|database: &TestDatabase| database.name() != name) {
        assert!(held.len() < 10, "it did not come back");
        held.push(next(&server).await);
    }

    assert!(left.batch_execute("COMMIT").await.is_err());
    let client = held.last().unwrap().connect().await.unwrap();
    assert!(names(&client, "SELECT name FROM birds").await.is_empty());
}

#[tokio::test]
async fn what_was_used_before_the_server_crashed_does_not_come_back() {
    let server = own().await.unwrap();
    let database = next(&server).await;
    let client = database.connect().await.unwrap();
    client.batch_execute("CREATE TABLE nests (id int)").await.unwrap();
    let pid: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);

    signal("-KILL", &[u32::try_from(pid).unwrap()]);

    let began = Instant::now();
    while !client.is_closed() || server.config().connect(tokio_postgres::NoTls).await.is_err() {
        assert!(began.elapsed().as_secs() < 30, "the server does not come back");
        tokio::task::yield_now().await;
    }
    drop(database);
    for _ in 0..5 {
        let client = next(&server).await.connect().await.unwrap();
        let nests = "SELECT relname::text FROM pg_class WHERE relname = 'nests'";
        assert_eq!(names(&client, nests).await, [""; 0]);
    }
}

#[tokio::test]
async fn values_come_back_as_they_were_whatever_the_database_is_set_to() {
    let server = own().await.unwrap();
    if !can_tell(&server) {
        return;
    }
    let settings = ["extra_float_digits = 0", "datestyle = ''SQL''", "timezone = ''Asia/Kolkata''"]
        .map(|setting| format!("EXECUTE format('ALTER DATABASE %I SET {setting}', current_database());"));
    let set = MigrationSet::builder()
        .sql(1, "settings", format!("DO $$ BEGIN {} END $$", settings.concat()))
        .sql(2, "seen", "CREATE TABLE seen (weight float8, at timestamptz)")
        .sql(3, "values", "INSERT INTO seen VALUES (0.1::float8 + 0.2::float8, '2020-01-02 03:04:05+00')")
        .build()
        .unwrap();
    let builder = TestDatabase::builder(&set).server(&server);

    let database = again_of(&builder, "UPDATE seen SET weight = 1, at = now()").await;

    let seen =
        "SELECT concat(weight = 0.1::float8 + 0.2::float8, ' ', at = '2020-01-02 03:04:05+00') FROM seen";
    assert_eq!(names(&database.connect().await.unwrap(), seen).await, ["t t"]);
}

#[tokio::test]
async fn a_database_whose_tables_are_kept_in_another_way_does_not_come_back() {
    let server = own().await.unwrap();
    let set = MigrationSet::builder()
        .sql(1, "pile", "CREATE ACCESS METHOD pile TYPE TABLE HANDLER heap_tableam_handler")
        .sql(2, "birds", "CREATE TABLE birds (name text) USING pile")
        .build()
        .unwrap();
    let builder = TestDatabase::builder(&set).server(&server);
    let database = builder.clone().create().await.unwrap();
    let name = database.name().to_owned();
    drop(database);

    for _ in 0..10 {
        assert_ne!(builder.clone().create().await.unwrap().name(), name);
    }
}
