//! A migration that is interrupted for real while somebody else's transaction holds it up.

use std::time::{Duration, Instant};

use dunlin::{Error, ErrorKind, Migrator, Report, Target};
use dunlin_test::Database;
use tests::database;
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use crate::support::{history, left_behind, outside, run, texts};

/// An open transaction that has written: what waits for writers waits for it.
pub(crate) const WRITER: &str = "BEGIN; INSERT INTO a VALUES (4)";
/// An open transaction that has read: what waits for whoever uses the table waits for it.
pub(crate) const READER: &str = "BEGIN; SELECT FROM a";
/// An open transaction with an old snapshot, which has touched no table.
pub(crate) const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1";

pub(crate) const TABLE: &str = "CREATE TABLE a (id int, name text); INSERT INTO a VALUES (1), (2), (3)";
pub(crate) const INDEXED: &str =
    "CREATE TABLE a (id int, name text); INSERT INTO a VALUES (1), (2), (3); CREATE INDEX a_id ON a (id)";
pub(crate) const PARTITIONED: &str = "CREATE TABLE a (id int) PARTITION BY LIST (id); \
     CREATE TABLE a1 PARTITION OF a FOR VALUES IN (1); CREATE TABLE a4 PARTITION OF a FOR VALUES IN (4); \
     CREATE INDEX a_id ON a (id)";

/// A statement that notes the timeouts it runs with.
pub(crate) const NOTE: &str = "CREATE TABLE noted AS \
     SELECT current_setting('lock_timeout') || ' ' || current_setting('statement_timeout') AS timeouts";

/// How a statement is interrupted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End {
    Cancelled,
    Terminated,
}

pub(crate) const ENDS: [End; 2] = [End::Cancelled, End::Terminated];

/// A database, a session that is in the way, and one that looks.
pub(crate) struct Scene {
    pub(crate) database: Database,
    blocker: Client,
    pub(crate) client: Client,
}

impl Scene {
    pub(crate) async fn new(tables: &str) -> Self {
        let database = database().await;
        let (blocker, client) = (database.connect().await.unwrap(), database.connect().await.unwrap());
        client.batch_execute(tables).await.unwrap();
        Self { database, blocker, client }
    }

    pub(crate) async fn block(&self, with: &str) {
        self.blocker.batch_execute(with).await.unwrap();
    }

    pub(crate) async fn release(&self) {
        self.blocker.batch_execute("ROLLBACK").await.unwrap();
    }

    /// Runs a migration of this text to its end, in a session of its own.
    pub(crate) async fn run(&self, text: &str) -> Result<Report, Error> {
        run(&mut self.database.connect().await.unwrap(), texts(&[&outside(text)])).await
    }

    /// Begins to run it.
    pub(crate) async fn begin(&self, text: &str) -> JoinHandle<Result<Report, Error>> {
        self.begin_with(Migrator::new(texts(&[&outside(text)]))).await
    }

    pub(crate) async fn begin_with(&self, migrator: Migrator) -> JoinHandle<Result<Report, Error>> {
        let mut client = self.database.connect().await.unwrap();
        tokio::spawn(async move { migrator.run(&mut client, Target::Latest).await })
    }

    /// Waits until a session other than the blocker's has waited for a lock for so long, in a statement like this.
    pub(crate) async fn waiting_for(&self, statement: &str, long: Duration) -> i32 {
        let sql = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' \
                   AND query LIKE $1 AND clock_timestamp() - query_start > $2 * interval '1 s'";
        let began = Instant::now();
        loop {
            let rows = self.client.query(sql, &[&statement, &long.as_secs_f64()]).await.unwrap();
            if let Some(row) = rows.first() {
                return row.get(0);
            }
            assert!(began.elapsed() < Duration::from_secs(60), "nothing waits in {statement}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn waiting(&self, statement: &str) -> i32 {
        self.waiting_for(statement, Duration::ZERO).await
    }

    pub(crate) async fn end(&self, end: End, pid: i32) {
        let sql = match end {
            End::Cancelled => "SELECT pg_cancel_backend($1)",
            End::Terminated => "SELECT pg_terminate_backend($1)",
        };
        assert!(self.client.query_one(sql, &[&pid]).await.unwrap().get::<_, bool>(0));
    }

    /// Interrupts a statement where the blocker holds it up; returns what the run says.
    pub(crate) async fn interrupt(&self, statement: &str, end: End) -> Error {
        let running = self.begin(statement).await;
        let pid = self.waiting(statement).await;
        self.end(end, pid).await;
        let error = running.await.unwrap().unwrap_err();
        self.check_interrupted(&error, end).await;
        error
    }

    /// The same, where the blocker has used the table: what was half built goes as soon as nobody does.
    pub(crate) async fn interrupt_and_release(&self, statement: &str) {
        let running = self.begin(statement).await;
        let pid = self.waiting(statement).await;
        self.end(End::Cancelled, pid).await;
        self.waiting("DROP INDEX CONCURRENTLY%").await;
        self.release().await;
        self.check_interrupted(&running.await.unwrap().unwrap_err(), End::Cancelled).await;
    }

    async fn check_interrupted(&self, error: &Error, end: End) {
        let state = match end {
            End::Cancelled => {
                assert_eq!(error.code().unwrap().code(), "57014", "{error}");
                "1 failed"
            }
            End::Terminated => {
                assert_eq!(error.kind(), ErrorKind::Connection, "{error}");
                "1 running"
            }
        };
        assert_eq!(history(&self.client).await, state);
    }

    /// Runs it again, with nobody in the way.
    pub(crate) async fn again(&self, text: &str) {
        self.release().await;
        self.run(text).await.unwrap();
        assert_eq!(history(&self.client).await, "1 applied");
        assert_eq!(self.invalid().await, Vec::<String>::new());
        assert_eq!(left_behind(&self.client).await, (0, 0));
    }

    /// The indexes that are not valid.
    pub(crate) async fn invalid(&self) -> Vec<String> {
        let sql = "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT (indisvalid AND indisready) ORDER BY 1";
        self.client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }

    /// Makes the history say that a run was interrupted in the first statement of its migration.
    pub(crate) async fn pretend_interrupted(&self) {
        self.run("SELECT 1/0").await.unwrap_err();
        let sql = "UPDATE dunlin_history SET state = 'running'";
        assert_eq!(self.client.execute(sql, &[]).await.unwrap(), 1);
    }

    /// What [`NOTE`] has noted.
    pub(crate) async fn timeouts(&self) -> String {
        self.client.query_one("SELECT timeouts FROM noted", &[]).await.unwrap().get(0)
    }

    /// A role that may create tables, but none that are temporary, and a session of it.
    pub(crate) async fn owner(&self) -> (String, Client) {
        let database = self.database.name();
        let role = format!("owner_{database}");
        let sql = format!(
            "CREATE ROLE \"{role}\" LOGIN PASSWORD 'secret'; GRANT CREATE ON SCHEMA public TO \"{role}\"; \
             REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC"
        );
        self.client.batch_execute(&sql).await.unwrap();
        let mut config = self.database.config();
        let (client, connection) =
            config.user(&role).password("secret").connect(tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        (role, client)
    }

    pub(crate) async fn drop_role(&self, role: &str) {
        let sql = format!("DROP OWNED BY \"{role}\" CASCADE; DROP ROLE \"{role}\"");
        self.client.batch_execute(&sql).await.unwrap();
    }

    pub(crate) async fn is_partition(&self, table: &str) -> bool {
        let sql = "SELECT relispartition FROM pg_class WHERE oid = to_regclass($1)";
        self.client.query_one(sql, &[&table]).await.unwrap().get(0)
    }
}
