//! The faults that break migration tools, each brought about for real: its id is in the name of its test. `FAULTS.md` in
//! this package says which test is about which.

mod blocking;
mod crash;
mod half_applied;
mod holders;
mod input;
mod locking;
mod security;
mod table;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dunlin_test::Database;
use tokio_postgres::{Client, Config, NoTls};

/// How long anything may take on a slow and busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until the server answers a question with yes.
async fn until(client: &Client, question: &str) {
    let began = Instant::now();
    while !client.query_one(question, &[]).await.unwrap().get::<_, bool>(0) {
        assert!(began.elapsed() < PATIENCE, "still not so: {question}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Whether somebody else in this database sleeps in a statement.
const ASLEEP: &str = "SELECT count(*) > 0 FROM pg_stat_activity \
                      WHERE datname = current_database() AND wait_event = 'PgSleep'";

/// Whether nobody holds an advisory lock in this database.
const UNLOCKED: &str = "SELECT count(*) = 0 FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database \
                        WHERE l.locktype = 'advisory' AND d.datname = current_database()";

/// Whether somebody waits for a lock of a relation in this database.
const BLOCKED: &str = "SELECT count(*) > 0 FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database \
                       WHERE l.locktype = 'relation' AND NOT l.granted AND d.datname = current_database()";

async fn connect(config: &Config) -> Client {
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A role of the test's own that may log in, and how it does. Roles are the server's: [`forget`] it at the end.
async fn role(database: &Database, name: &str) -> (String, Config) {
    let role = format!("{name}_{}", database.name());
    let owner = database.connect().await.unwrap();
    owner.batch_execute(&format!("CREATE ROLE \"{role}\" LOGIN PASSWORD 'secret'")).await.unwrap();
    let mut config = database.config();
    config.user(&role).password("secret");
    (role, config)
}

async fn forget(database: &Database, role: &str) {
    let owner = database.connect().await.unwrap();
    owner.batch_execute(&format!("DROP OWNED BY \"{role}\" CASCADE; DROP ROLE \"{role}\"")).await.unwrap();
}

/// A process that runs these texts. It ends with the value.
struct Holder(Child);

impl Holder {
    fn start(url: &str, texts: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_holder"));
        command.arg(url).args(texts).stdin(Stdio::null()).stderr(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    /// Sends a signal by its name.
    fn signal(&self, name: &str) {
        signal(name, i32::try_from(self.0.id()).unwrap());
    }

    /// Waits for its end: whether it went well, and what it said.
    async fn end(mut self) -> (bool, String) {
        let began = Instant::now();
        let ended = loop {
            if let Some(ended) = self.0.try_wait().unwrap() {
                break ended;
            }
            assert!(began.elapsed() < PATIENCE, "the process does not end");
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        let mut said = String::new();
        std::io::Read::read_to_string(&mut self.0.stderr.take().unwrap(), &mut said).unwrap();
        (ended.success(), said)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn signal(name: &str, pid: i32) {
    let sent = Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap();
    assert!(sent.success(), "no {name} for {pid}");
}
