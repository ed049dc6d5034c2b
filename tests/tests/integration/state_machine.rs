//! Random commands against a database and against a model of it: the history, every effect exactly once, and no lock left.

mod command;
mod migrations;
mod model;

use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use dunlin::{Error, ErrorKind, Migrator, State, Target};
use dunlin_test::Database;
use proptest::test_runner::Config;
use proptest_state_machine::{StateMachineTest, prop_state_machine};
use tests::database;
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

use self::command::{Command, Cut};
use self::model::{Model, Row, up_to};
use crate::support::{exists, left_behind};

/// How long a server may take to notice that a client has gone.
const PATIENCE: Duration = Duration::from_secs(60);

prop_state_machine! {
    // `PROPTEST_CASES` asks for more. A failure prints its commands: nothing is kept.
    #![proptest_config(Config { cases: cases(), failure_persistence: None, max_shrink_iters: 200, ..Config::default() })]

    #[test]
    fn a_database_is_what_the_commands_have_made_it(sequential 1..16 => System);
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(24)
}

/// A database, and what it was before the command that is tried.
struct System {
    runtime: Runtime,
    database: Database,
    client: Client,
    model: Model,
}

impl StateMachineTest for System {
    type SystemUnderTest = Self;
    type Reference = Model;

    fn init_test(model: &Model) -> Self {
        println!("a new database");
        let runtime = Runtime::new().unwrap();
        let (database, client) = runtime.block_on(async {
            let database = database().await;
            let client = database.connect().await.unwrap();
            client.batch_execute(migrations::BEFORE).await.unwrap();
            (database, client)
        });
        Self { runtime, database, client, model: model.clone() }
    }

    fn apply(mut system: Self, after: &Model, command: Command) -> Self {
        // A failure shows all of them: those that proptest shows in the end may be others.
        println!("{command:?}");
        system.runtime.block_on(system.obey(&command));
        system.model = after.clone();
        system
    }

    fn check_invariants(system: &Self, model: &Model) {
        system.runtime.block_on(system.check(model));
    }

    fn teardown(system: Self, _: Model) {
        let Self { runtime, database, client, .. } = system;
        drop(client);
        runtime.block_on(database.drop()).unwrap();
    }
}

impl System {
    fn migrator(&self, model: &Model, versions: &[i64]) -> Migrator {
        Migrator::new(migrations::set(model, versions))
    }

    async fn migrate(&self, migrator: &Migrator, target: Target) -> Result<dunlin::Report, Error> {
        dunlin::migrate_to(&self.database.config(), NoTls, migrator, target).await
    }

    async fn obey(&self, command: &Command) {
        let model = &self.model;
        match command {
            Command::Migrate { set, target } => {
                let outcome = self.migrate(&self.migrator(model, set), *target).await;
                let planned = model.plan(set, *target).map(|steps| steps.len());
                let done = outcome.map(|report| report.applied().count() + report.reverted().count());
                assert_eq!(done.map_err(|error| error.kind()), planned);
            }
            Command::Edit { version } => {
                let mut edited = model.clone();
                edited.edit(*version);
                if model.is_applied(*version) {
                    let migrator = self.migrator(&edited, &up_to(model::NEWEST));
                    let error = self.migrate(&migrator, Target::Latest).await.unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::Diverged);
                }
            }
            Command::Fail { newest, version } => {
                self.switch("trip", *version).await;
                let outcome = self.migrate(&self.migrator(model, &up_to(*newest)), Target::Latest).await;
                self.switch_off().await;
                let error = outcome.unwrap_err();
                assert_eq!(
                    (error.kind(), error.migration().unwrap().version()),
                    (ErrorKind::Migration, *version)
                );
            }
            Command::Cut { newest, version, cut } => self.cut(*newest, *version, *cut).await,
            Command::Drop { newest, polls } => self.drop_after(*newest, *polls).await,
            Command::Stamp { newest, target } => {
                let mut client = self.database.connect().await.unwrap();
                let outcome = self.migrator(model, &up_to(*newest)).stamp(&mut client, *target).await;
                let kinds = outcome.map(drop).map_err(|error| error.kind());
                // What is too far away or unknown is refused as ever, and nothing else.
                assert!(matches!(kinds, Ok(()) | Err(ErrorKind::Target)), "{kinds:?}");
            }
        }
    }

    /// Is cut while a migration runs, and runs again.
    async fn cut(&self, newest: i64, version: i64, cut: Cut) {
        let migrator = self.migrator(&self.model, &up_to(newest));
        let config = self.database.config();
        self.switch("pause", version).await;
        let (mut client, connection) = config.connect(NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        let its_own = cut != Cut::Kill;
        let run = migrator.clone();
        let run = tokio::spawn(async move {
            match its_own {
                true => dunlin::migrate(&config, NoTls, &run).await,
                false => run.run(&mut client, Target::Latest).await,
            }
        });
        let pid = self.sleeper().await;
        // Whoever comes next does not wait.
        self.switch_off().await;
        match cut {
            Cut::Terminate => {
                self.client.execute("SELECT pg_terminate_backend($1)", &[&pid]).await.unwrap();
            }
            Cut::Abort => run.abort(),
            Cut::Kill => connection.abort(),
        }
        match run.await {
            // It has connected again by itself.
            Ok(Ok(_)) => assert_eq!(cut, Cut::Terminate),
            Ok(Err(error)) => {
                let told = error.kind() == ErrorKind::Connection
                    || error.code().is_some_and(|code| code.code() == "57P01");
                assert!(told && cut != Cut::Abort, "{error:?}");
            }
            Err(aborted) => assert!(aborted.is_cancelled() && cut == Cut::Abort),
        }
        connection.abort();
        self.go_on(&migrator, newest).await;
    }

    async fn drop_after(&self, newest: i64, polls: usize) {
        let migrator = self.migrator(&self.model, &up_to(newest));
        {
            let mut run = pin!(self.migrate(&migrator, Target::Latest));
            let mut left = polls;
            std::future::poll_fn(|cx| {
                left -= 1;
                if run.as_mut().poll(cx).is_ready() || left == 0 { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
        self.go_on(&migrator, newest).await;
    }

    /// After a run that was cut: the server lets go, what there is is a state on the way, and another run gets to the end.
    async fn go_on(&self, migrator: &Migrator, newest: i64) {
        self.nothing_is_left().await;
        let steps = self.model.plan(&up_to(newest), Target::Latest).unwrap();
        let found = self.look().await;
        let on_the_way = self.model.on_the_way(&steps);
        let is_known = on_the_way.iter().any(|model| (&model.rows, &model.effects) == (&found.0, &found.1));
        assert!(is_known, "{found:?} is not on the way of {steps:?}: {on_the_way:?}");
        self.migrate(migrator, Target::Latest).await.unwrap();
    }

    /// Waits until the server has let go. It tells of an error before it has ended the transaction.
    async fn nothing_is_left(&self) {
        let deadline = Instant::now() + PATIENCE;
        while left_behind(&self.client).await != (0, 0) {
            assert!(Instant::now() < deadline, "a lock or a transaction is left after {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn switch(&self, what: &str, version: i64) {
        let sql = "INSERT INTO switches (version, what) VALUES ($1, $2)";
        self.client.execute(sql, &[&version, &what]).await.unwrap();
    }

    async fn switch_off(&self) {
        self.client.batch_execute("DELETE FROM switches").await.unwrap();
    }

    /// Who waits in a migration.
    async fn sleeper(&self) -> i32 {
        let sql =
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(row) = self.client.query_opt(sql, &[]).await.unwrap() {
                return row.get(0);
            }
            assert!(Instant::now() < deadline, "nobody sleeps after {PATIENCE:?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// The history and the effects.
    async fn look(&self) -> (Vec<Row>, Vec<String>) {
        let client = &self.client;
        let rows = match exists(client, "public.dunlin_history").await {
            true => {
                let sql = "SELECT version, state = 'applied', statements_done::bigint \
                           FROM public.dunlin_history ORDER BY ordinal";
                client.query(sql, &[]).await.unwrap()
            }
            false => Vec::new(),
        };
        let row = |row: &tokio_postgres::Row| Row {
            version: row.get(0),
            done: (!row.get::<_, bool>(1)).then(|| usize::try_from(row.get::<_, i64>(2)).unwrap()),
        };
        let effects = client.query("SELECT effect FROM effects ORDER BY id", &[]).await.unwrap();
        (rows.iter().map(row).collect(), effects.iter().map(|row| row.get(0)).collect())
    }

    async fn check(&self, model: &Model) {
        let (rows, effects) = self.look().await;
        assert_eq!((&rows, &effects), (&model.rows, &model.effects));
        self.nothing_is_left().await;
        let newest = i64::try_from(rows.len()).unwrap();
        let mut versions: Vec<_> =
            rows.iter().filter(|row| row.done.is_none()).map(|row| row.version).collect();
        versions.sort_unstable();
        if newest > 0 && versions == up_to(newest) {
            let report = self.migrate(&self.migrator(model, &versions), Target::Latest).await.unwrap();
            assert_eq!((report.state(), report.flights()), (State::Current, 1));
        }
    }
}
