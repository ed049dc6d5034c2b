//! A. Locking: what becomes of the lock when its holder is cut off, killed or frozen.

use std::time::Duration;

use dunlin::{BoxError, Context, ErrorKind, MigrationSet, Migrator, RustMigration};
use dunlin_test::Server;
use tests::database;
use tokio_postgres::NoTls;

use super::{ASLEEP, Holder, UNLOCKED, until};
use crate::support::{history, left_behind, texts};

#[tokio::test]
async fn f08_the_session_that_migrates_notices_a_dead_network() {
    let database = database().await;
    // Through TCP: a socket of this machine has no such settings.
    let config = database.url().parse().unwrap();
    let seen = "CREATE TABLE seen AS SELECT name, setting::int AS value FROM pg_settings \
                WHERE name LIKE 'tcp_%' OR name = 'client_connection_check_interval'";
    dunlin::migrate(&config, NoTls, &Migrator::new(texts(&[seen]))).await.unwrap();
    let client = database.connect().await.unwrap();
    let rows = client.query("SELECT name, value FROM seen ORDER BY name", &[]).await.unwrap();
    let seen: Vec<(String, i32)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let mut expected = vec![
        ("tcp_keepalives_count".to_owned(), 3),
        ("tcp_keepalives_idle".to_owned(), 3),
        ("tcp_keepalives_interval".to_owned(), 1),
        ("tcp_user_timeout".to_owned(), 6000),
    ];
    if tests::server().await.version_num() >= 140_000 {
        expected.insert(0, ("client_connection_check_interval".to_owned(), 250));
    }
    assert_eq!(seen, expected);
}

/// Whether this process has a network of its own, which it may take down.
const OWN_NETWORK: &str = "DUNLIN_TESTS_OWN_NETWORK";

/// Takes the loopback device of this process's own network up or down.
fn network(state: &str) {
    let set = std::process::Command::new("ip").args(["link", "set", "lo", state]).status().unwrap();
    assert!(set.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f08_the_lock_is_free_within_seconds_when_the_network_is_gone() {
    if std::env::var_os(OWN_NETWORK).is_none() {
        let name = "faults::holders::f08_the_lock_is_free_within_seconds_when_the_network_is_gone";
        let alone = |program: &[&str]| {
            let mut command = std::process::Command::new("unshare");
            command.arg("--net").args(program).env(OWN_NETWORK, "1");
            command.output().ok()
        };
        if !alone(&["ip", "link", "set", "lo", "up"]).is_some_and(|output| output.status.success()) {
            println!("skipped: only root may make a network of its own");
            return;
        }
        let this = std::env::current_exe().unwrap();
        let output = alone(&[this.to_str().unwrap(), name, "--exact", "--nocapture"]).unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    network("up");
    let server = Server::builder().setting("cluster_name", "alone").start().await.unwrap();
    if server.version_num() < 140_000 {
        // The server looks after the client of a statement that runs since then.
        return;
    }
    let mut databases = Vec::new();
    for set in
        [texts(&["SELECT pg_sleep(600)"]), MigrationSet::builder().rust(1, "hangs", Hangs).build().unwrap()]
    {
        let database = server.create_database().await.unwrap();
        let client = database.connect().await.unwrap();
        let config = database.url().parse().unwrap();
        tokio::spawn(async move { dunlin::migrate(&config, NoTls, &Migrator::new(set)).await });
        until(
            &client,
            "SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() \
                        AND (wait_event = 'PgSleep' OR query = 'SELECT 600')",
        )
        .await;
        databases.push((database, client));
    }
    network("down");
    let began = std::time::Instant::now();
    for (_, client) in &databases {
        until(client, UNLOCKED).await;
    }
    // 6 s by the settings; with the kernel's defaults it is two hours.
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
}

/// Waits for ever, inside its transaction.
struct Hangs;

impl RustMigration for Hangs {
    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        cx.client().batch_execute("SELECT 600").await?;
        std::future::pending().await
    }
}

#[tokio::test]
async fn f09_a_process_killed_in_a_statement_is_followed_by_the_next_runner() {
    let database = database().await;
    let client = database.connect().await.unwrap();
    let slow = "SELECT CASE WHEN current_setting('application_name') = 'killed' THEN pg_sleep(600) END";
    let all = ["CREATE TABLE a (id int)", slow, "CREATE TABLE c (id int)"];
    let url = format!("{}?application_name=killed", database.url());
    let holder = Holder::start(&url, &all);
    until(&client, ASLEEP).await;
    holder.signal("KILL");
    // The server looks every second whether the client is still there, from version 14 on.
    if tests::server().await.version_num() >= 140_000 {
        until(&client, UNLOCKED).await;
    } else {
        client
            .batch_execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'killed'",
            )
            .await
            .unwrap();
    }
    assert_eq!(left_behind(&client).await, (0, 0));
    let report = dunlin::migrate(&database.config(), NoTls, &Migrator::new(texts(&all))).await.unwrap();
    assert_eq!((report.applied().count(), report.already_applied()), (2, 1));
    assert_eq!(history(&client).await, "1 applied, 2 applied, 3 applied");
}

#[tokio::test]
async fn f10_a_frozen_holder_is_named_and_writes_nothing_when_it_wakes_up() {
    let database = database().await;
    let client = database.connect().await.unwrap();
    let slow = "SELECT CASE WHEN current_setting('application_name') = 'frozen' THEN pg_sleep(600) END";
    let all = ["CREATE TABLE a (id int)", slow, "CREATE TABLE c (id int)"];
    let holder = Holder::start(&format!("{}?application_name=frozen", database.url()), &all);
    until(&client, ASLEEP).await;
    holder.signal("STOP");

    let migrator = Migrator::new(texts(&all));
    let impatient = migrator.clone().deadline(Duration::from_millis(300));
    let error = dunlin::migrate(&database.config(), NoTls, &impatient).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LockTimeout);
    let pid = "SELECT pid FROM pg_stat_activity WHERE application_name = 'frozen'";
    let pid: i32 = client.query_one(pid, &[]).await.unwrap().get(0);
    for told in [
        format!("pid {pid}, application `frozen`, 127.0.0.1, connected for"),
        format!("`SELECT pg_terminate_backend({pid})`"),
    ] {
        assert!(error.to_string().contains(&told), "{error}");
    }

    client.execute("SELECT pg_terminate_backend($1)", &[&pid]).await.unwrap();
    let report = dunlin::migrate(&database.config(), NoTls, &migrator).await.unwrap();
    assert_eq!(report.applied().count(), 2);
    holder.signal("CONT");
    let (_, said) = holder.end().await;
    assert_eq!(history(&client).await, "1 applied, 2 applied, 3 applied", "{said}");
    assert_eq!(left_behind(&client).await, (0, 0));
}
