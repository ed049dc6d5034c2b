//! What a test does with its database.

use std::time::Duration;

use dunlin::BoxError;
use dunlin_test::TestDatabase;
use tokio::runtime::Handle;
use tokio_postgres::{Client, NoTls};

/// What a test does with its database, and how it leaves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Nothing but looking.
    Look,
    /// It runs SQL.
    Sql(&'static str),
    /// It leaves a transaction open, on a connection that outlives the test.
    LeaveOpen,
    /// It ends while a statement runs, on a connection that outlives the test.
    LeaveBusy,
    /// It opens many connections at once, through the URL.
    Pool,
    /// It gives up on a first database before it has it.
    GiveUp,
    /// It asks for a second database and has both at once.
    Two,
    /// It has its database dropped when its runtime has ended.
    Outlive,
    /// It panics, which keeps the database.
    Panic,
}

impl Deed {
    /// What tests do that succeed. Half of them leave a schema as it was.
    pub(crate) const ALL: [Self; 20] = [
        Self::Look,
        Self::Sql("INSERT INTO birds (kind, name) VALUES (1, 'dunlin'), (2, 'kittiwake')"),
        Self::Sql(
            "INSERT INTO birds (kind, name) SELECT 1, 'dunlin ' || n FROM generate_series(1, 500) AS n",
        ),
        Self::Sql("UPDATE kinds SET name = upper(name); UPDATE dunlin_history SET name = 'other'"),
        Self::Sql("DELETE FROM kinds; DELETE FROM log; DELETE FROM made"),
        Self::Sql(
            "DELETE FROM birds; INSERT INTO birds (kind, name) VALUES (1, 'ruff'); UPDATE birds SET id = 1",
        ),
        Self::Sql("BEGIN; INSERT INTO kinds (name) VALUES ('auk'); SELECT nextval('rings'); ROLLBACK"),
        Self::Sql("SELECT setval('rings', 7, false), nextval('birds_id_seq')"),
        Self::Sql("ANALYZE"),
        Self::Sql("SET search_path = nowhere; SET session_replication_role = replica; LISTEN birds"),
        Self::Sql("TRUNCATE kinds, birds, log RESTART IDENTITY"),
        Self::Sql("CREATE TABLE nests (id int); DROP INDEX kinds_size"),
        Self::Sql("CREATE TEMPORARY TABLE nests (id int)"),
        Self::Sql("ALTER TABLE birds DISABLE TRIGGER note"),
        Self::Sql(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET work_mem', current_database()); END $$",
        ),
        Self::LeaveOpen,
        Self::LeaveBusy,
        Self::Pool,
        Self::GiveUp,
        Self::Two,
    ];

    /// Does it. What outlives the test goes to the other runtime.
    pub(crate) async fn run(
        self,
        database: &TestDatabase,
        client: &Client,
        other: &Handle,
    ) -> Result<(), BoxError> {
        match self {
            Self::Sql(sql) => client.batch_execute(sql).await?,
            Self::LeaveOpen => left_behind(database, other, OPEN, "SELECT").await?,
            Self::LeaveBusy => left_behind(database, other, OPEN, "SELECT pg_sleep(60)").await?,
            Self::Pool => {
                let config: tokio_postgres::Config = database.url().parse()?;
                let mut clients = Vec::new();
                for _ in 0..3 {
                    let (client, connection) = config.connect(NoTls).await?;
                    tokio::spawn(connection);
                    client.batch_execute("INSERT INTO birds (kind, name) VALUES (3, 'tawny')").await?;
                    clients.push(client);
                }
            }
            Self::Look | Self::GiveUp | Self::Two | Self::Outlive => {}
            Self::Panic => panic!("the deed of this test"),
        }
        Ok(())
    }
}

const OPEN: &str = "BEGIN; INSERT INTO birds (kind, name) VALUES (1, 'dunlin'); LOCK TABLE kinds";

/// Runs one text to its end and lets the other run, on a connection that stays for a while.
async fn left_behind(
    database: &TestDatabase,
    other: &Handle,
    before: &'static str,
    then: &'static str,
) -> Result<(), BoxError> {
    let config = database.config();
    let work = other.spawn(async move {
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        client.batch_execute(before).await?;
        Ok::<_, tokio_postgres::Error>(client)
    });
    let client = work.await??;
    other.spawn(async move {
        // It is put out, or ends with the process.
        let _ = client.batch_execute(then).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        drop(client);
    });
    Ok(())
}
