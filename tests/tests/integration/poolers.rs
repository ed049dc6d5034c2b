//! A real pgbouncer in between. Session mode is as good as no pooler; in the other modes the session that holds the lock
//! is not the one that works, which is noticed and named.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use dunlin::{
    BoxError, Context, Direct, ErrorKind, MigrationSet, Migrator, Pooler, RustMigration, State, Target,
};
use futures_util::future::join_all;
use tests::{PgBouncer, PoolMode, Proxy, Round, database, server};
use tokio_postgres::config::Host;
use tokio_postgres::{Client, NoTls};

use crate::support::{exists, history, left_behind, migration, numbered, run, texts};

async fn bouncer(mode: PoolMode, pool_size: usize) -> PgBouncer {
    PgBouncer::start(&server().await.config(), mode, pool_size).await
}

/// Whether this process is the one that is killed.
const KILLED: &str = "DUNLIN_TESTS_KILLED";

#[tokio::test]
async fn pgbouncer_ends_with_the_process_that_has_started_it() {
    if std::env::var_os(KILLED).is_some() {
        let bouncer = bouncer(PoolMode::Session, 1).await;
        if let [Host::Unix(folder)] = bouncer.config("postgres").get_hosts() {
            println!("\nfolder {}", folder.display());
        }
        std::future::pending::<()>().await;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["poolers::pgbouncer_ends_with_the_process_that_has_started_it", "--exact", "--nocapture"]);
    command.env(KILLED, "1").stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = command.spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
    let folder = lines.find_map(|line| line.strip_prefix("folder ").map(PathBuf::from)).unwrap();
    let settings = folder.join("pgbouncer.ini");
    assert!(processes_with(&settings) > 0);

    process.kill().unwrap();
    process.wait().unwrap();
    let began = Instant::now();
    while folder.exists() || processes_with(&settings) > 0 {
        assert!(began.elapsed() < Duration::from_secs(20), "it goes on in {}", folder.display());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// How many processes have this path among their arguments.
fn processes_with(path: &Path) -> usize {
    let output = Command::new("ps").args(["-e", "-ww", "-o", "args="]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).matches(path.to_str().unwrap()).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_mode_pool_is_as_good_as_no_pooler() {
    let (bouncer, database) = (bouncer(PoolMode::Session, 4).await, database().await);
    let proxy = Proxy::start(&bouncer.config(database.name())).await;
    let (mut client, connection) = proxy.config().connect(NoTls).await.unwrap();
    tokio::spawn(connection);

    assert_eq!(run(&mut client, numbered(3)).await.unwrap().applied().count(), 3);
    proxy.reset();
    let report = run(&mut client, numbered(3)).await.unwrap();
    assert_eq!((report.state(), proxy.flights()), (State::Current, 1));
    let outside = "-- dunlin: no-transaction\nCREATE INDEX CONCURRENTLY t_name ON t (name); VACUUM t";
    let set = texts(&["CREATE TABLE t (name text)", outside]);
    let other = dunlin::HistoryTable::new("other", "dunlin_history").unwrap().beside_others();
    Migrator::new(set).history(other).run(&mut client, Target::Latest).await.unwrap();
    assert!(exists(&client, "t_name").await);
    drop(client);

    let direct = database.connect().await.unwrap();
    assert_eq!(history(&direct).await, "1 applied, 2 applied, 3 applied");
    assert_eq!(left_behind(&direct).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runners_in_a_session_mode_pool_apply_everything_once() {
    for pool_size in [1, 4, 20] {
        let bouncer = bouncer(PoolMode::Session, pool_size).await;
        for _ in 0..5 {
            let database = database().await;
            let migrator = Migrator::new(Round::set(10));
            let round = Round::run(&migrator, &database, &bouncer.config(database.name()), 8).await;
            assert_eq!(round.errors().map(ToString::to_string).collect::<Vec<_>>(), Vec::<String>::new());
            assert_eq!((round.wrong, round.leaked), (Vec::new(), Vec::new()), "pool of {pool_size}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f01_a_transaction_mode_pool_that_nobody_spoke_of_is_named_and_nothing_is_damaged() {
    for pool_size in [1, 2, 20] {
        let bouncer = bouncer(PoolMode::Transaction, pool_size).await;
        for _ in 0..5 {
            let database = database().await;
            let migrator = Migrator::new(Round::set(10)).deadline(Duration::from_secs(5));
            let through = bouncer.config(database.name());
            let round = Round::run(&migrator, &database, &through, 8).await;
            assert_eq!(round.wrong, Vec::<String>::new(), "pool of {pool_size}: {:?}", round.outcomes);
            assert_eq!(round.leaked, Vec::<String>::new(), "pool of {pool_size}: {:?}", round.outcomes);
            for error in round.errors() {
                assert_eq!(error.kind(), ErrorKind::Pooler, "pool of {pool_size}: {error:?}");
            }
            assert_eq!(bouncer.settings_left(database.name()).await, Vec::<String>::new());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f01_runners_that_know_of_a_transaction_mode_pool_apply_everything_once() {
    for pool_size in [2, 4, 20] {
        let bouncer = bouncer(PoolMode::Transaction, pool_size).await;
        for _ in 0..3 {
            let database = database().await;
            let migrator = Migrator::new(Round::set(10)).pooler(Pooler::Transaction);
            let round = Round::run(&migrator, &database, &bouncer.config(database.name()), 8).await;
            assert_eq!(
                round.errors().map(|error| format!("{error:?}")).collect::<Vec<_>>(),
                Vec::<String>::new()
            );
            assert_eq!((round.wrong, round.leaked), (Vec::new(), Vec::new()), "pool of {pool_size}");
            assert_eq!(bouncer.settings_left(database.name()).await, Vec::<String>::new());
        }
    }
}

/// Counts the rows of a table, with the queries that a hook would use.
struct Counts;

impl RustMigration for Counts {
    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        let rows: i64 =
            cx.client().query_one("SELECT count(*) FROM app.a WHERE mood = 'sad'", &[]).await?.get(0);
        cx.client().execute("INSERT INTO app.b VALUES ($1)", &[&rows]).await?;
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_migration_but_one_runs_behind_a_transaction_mode_pool() {
    let (bouncer, database) = (bouncer(PoolMode::Transaction, 3).await, database().await);
    let direct = database.connect().await.unwrap();
    let verified = migration(
        2,
        "CREATE TABLE a (id int, mood mood); INSERT INTO a VALUES (1, 'sad'); CREATE TABLE b (n bigint)",
        "DROP TABLE a",
        Some("INSERT INTO a VALUES (2, 'sad'); SELECT count(*) = 2 AS two, min(mood) AS mood FROM a"),
    );
    let set = || {
        MigrationSet::builder()
            .sql(1, "schema", "CREATE SCHEMA app; SET search_path = app; SET work_mem = '7MB'; CREATE TYPE mood AS ENUM ('sad', 'ok')")
            .migration(verified.clone())
            .rust(3, "counts", Counts)
            .sql(4, "settings", "SET search_path = ''; CREATE TEMP TABLE pg_settings (id int); LISTEN x")
    };
    let migrator =
        Migrator::new(set().build().unwrap()).pooler(Pooler::Transaction).search_path("app, public");
    let through = bouncer.config(database.name());
    let report = dunlin::migrate(&through, NoTls, &migrator).await.unwrap();
    assert_eq!(report.applied().count(), 4);
    assert_eq!(direct.query_one("SELECT n FROM app.b", &[]).await.unwrap().get::<_, i64>(0), 1);
    assert_eq!(left_behind(&direct).await, (0, 0));
    assert_eq!(bouncer.settings_left(database.name()).await, Vec::<String>::new());
    let report = dunlin::migrate(&through, NoTls, &migrator).await.unwrap();
    assert_eq!((report.state(), report.flights()), (State::Current, 1));

    let outside = set().sql(5, "outside", "-- dunlin: no-transaction\nVACUUM app.a").build().unwrap();
    let migrator = Migrator::new(outside).pooler(Pooler::Transaction);
    let error = dunlin::migrate(&through, NoTls, &migrator).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    insta::assert_snapshot!(error, @"migration 5 (outside) runs outside a transaction, which can't be done through a pooler in transaction mode: give the run a direct connection with `Migrator::direct`");
    let migrator = migrator.direct(Direct::new(database.config(), NoTls));
    assert_eq!(dunlin::migrate(&through, NoTls, &migrator).await.unwrap().applied().count(), 1);

    let mut client = bouncer.connect(database.name()).await;
    let error = Migrator::new(numbered(1)).pooler(Pooler::Transaction).stamp(&mut client, Target::Base).await;
    insta::assert_snapshot!(error.unwrap_err(), @"behind a pooler in transaction mode a run needs two connections of its own: use `migrate` or `Migrator::run_through`, and a client that leads past the pooler for `stamp`");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f18_a_pool_without_a_second_connection_is_told_so() {
    let (bouncer, database) = (bouncer(PoolMode::Transaction, 1).await, database().await);
    let migrator = Migrator::new(numbered(1)).pooler(Pooler::Transaction);
    let error = dunlin::migrate(&bouncer.config(database.name()), NoTls, &migrator).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Pooler);
    insta::assert_snapshot!(error, @"the pooler has given no second connection within 10s, and one keeps the lock: let it have two server connections for this database and role at least (pgbouncer's `default_pool_size`), or connect directly (`Migrator::direct`)");
    assert_eq!(left_behind(&database.connect().await.unwrap()).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f01_a_worker_whose_keeper_is_gone_writes_nothing() {
    let (bouncer, database) = (bouncer(PoolMode::Transaction, 4).await, database().await);
    let direct = database.connect().await.unwrap();
    // The second migration ends the transaction that keeps the lock, once.
    direct.batch_execute("CREATE SEQUENCE tries").await.unwrap();
    let kills = "SELECT CASE WHEN nextval('tries') = 1 THEN (SELECT count(pg_terminate_backend(pid)) FROM pg_locks \
                 WHERE locktype = 'advisory' AND pid <> pg_backend_pid() AND database = (SELECT oid FROM pg_database \
                 WHERE datname = current_database())) END";
    let set = MigrationSet::builder().sql(1, "a", "CREATE TABLE a (id int)").sql(2, "kills", kills);
    let set = set.rust(3, "nothing", Nothing).sql(4, "b", "CREATE TABLE b (id int)").build().unwrap();
    let migrator = Migrator::new(set).pooler(Pooler::Transaction);
    let report = dunlin::migrate(&bouncer.config(database.name()), NoTls, &migrator).await.unwrap();
    assert_eq!(report.applied().count(), 4);
    assert_eq!(history(&direct).await, "1 applied, 2 applied, 3 applied, 4 applied");
    assert_eq!(left_behind(&direct).await, (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f55_a_migration_that_is_blocked_in_a_pool_of_two_goes_on() {
    let (bouncer, database) = (bouncer(PoolMode::Transaction, 2).await, database().await);
    let direct = database.connect().await.unwrap();
    direct.batch_execute("CREATE TABLE a (id int)").await.unwrap();
    direct.batch_execute("BEGIN; SELECT FROM a").await.unwrap();
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let migrator = Migrator::new(texts(&["ALTER TABLE a ADD b int"]))
        .pooler(Pooler::Transaction)
        .on_progress(move |progress| {
            if let dunlin::Progress::Retrying { .. } = progress {
                let _ = tell.send(());
            }
        });
    let through = bouncer.config(database.name());
    let running = tokio::spawn(async move { dunlin::migrate(&through, NoTls, &migrator).await });
    // From the second try on another connection looks who blocks, and gets none from the pool.
    for _ in 0..3 {
        tokio::time::timeout(Duration::from_secs(60), told.recv()).await.unwrap().unwrap();
    }
    direct.batch_execute("COMMIT").await.unwrap();
    assert_eq!(running.await.unwrap().unwrap().applied().count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f03_types_that_the_driver_has_to_look_up_are_no_obstacle_in_a_pool() {
    let (bouncer, database) = (bouncer(PoolMode::Transaction, 3).await, database().await);
    let verified = |n| {
        let verify = format!("SELECT 'a'::mood{n} AS mood");
        migration(n, &format!("CREATE TYPE mood{n} AS ENUM ('a')"), "SELECT 1", Some(&verify))
    };
    let set = (1..=3).fold(MigrationSet::builder(), |set, n| set.migration(verified(n))).build().unwrap();
    let migrator = Migrator::new(set).pooler(Pooler::Transaction);
    let report = dunlin::migrate(&bouncer.config(database.name()), NoTls, &migrator).await.unwrap();
    assert_eq!(report.applied().count(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f24_a_keeper_waits_for_a_connection_as_the_worker_does() {
    let database = database().await;
    let admin = database.connect().await.unwrap();
    let (_, own) = database.name().rsplit_once('_').unwrap();
    let login = format!("two_{own}");
    let create = "LOGIN CONNECTION LIMIT 2; GRANT CREATE ON SCHEMA public TO";
    admin.batch_execute(&format!("CREATE ROLE \"{login}\" {create} \"{login}\"")).await.unwrap();
    let mut config = database.config();
    config.user(&login);
    let (only, connection) = config.connect(NoTls).await.unwrap();
    let only = std::sync::Mutex::new(Some((only, tokio::spawn(connection))));
    let migrator = Migrator::new(numbered(1)).pooler(Pooler::Transaction).on_progress(move |progress| {
        if let dunlin::Progress::Reconnecting { .. } = progress {
            let _ = only.lock().unwrap().take();
        }
    });
    assert_eq!(dunlin::migrate(&config, NoTls, &migrator).await.unwrap().applied().count(), 1);
    admin.batch_execute(&format!("DROP OWNED BY \"{login}\"; DROP ROLE \"{login}\"")).await.unwrap();
}

/// Writes a letter that is not ASCII.
struct Accent;

impl RustMigration for Accent {
    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        cx.client().execute("INSERT INTO t VALUES ($1)", &[&"é"]).await?;
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f40_text_keeps_its_encoding_behind_a_pooler() {
    for (mode, pooler) in [(PoolMode::Session, Pooler::Session), (PoolMode::Transaction, Pooler::Transaction)]
    {
        let (bouncer, database) = (bouncer(mode, 3).await, database().await);
        let admin = database.connect().await.unwrap();
        let (_, own) = database.name().rsplit_once('_').unwrap();
        let name = format!("latin_{own}");
        let create = "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0";
        admin.batch_execute(&format!("CREATE DATABASE {name} {create}")).await.unwrap();
        let set = MigrationSet::builder()
            .sql(1, "table", "CREATE TABLE t (x text)")
            .rust(2, "hook", Accent)
            .sql(3, "script", "INSERT INTO t VALUES ('é')")
            .build()
            .unwrap();
        let migrator = Migrator::new(set).pooler(pooler);
        dunlin::migrate(&bouncer.config(&name), NoTls, &migrator).await.unwrap();
        let mut config = database.config();
        config.dbname(&name);
        let (client, connection) = config.connect(NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        let rows = client.query("SELECT x FROM t", &[]).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.get(0)).collect::<Vec<String>>(), ["é", "é"], "{mode}");
        drop((client, bouncer));
        connection.await.unwrap().unwrap();
        admin.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
    }
}

struct Nothing;

impl RustMigration for Nothing {
    async fn up(&self, _: &Context<'_>) -> Result<(), BoxError> {
        Ok(())
    }
}

/// Lets the next transaction of its runner land on another server connection: when this one commits, somebody else
/// waits for the connection, and gets it.
struct Elsewhere;

/// Both connections of the pool are somebody's: the runner has one, this client has the other.
struct Pool {
    bouncer: PgBouncer,
    database: String,
    other: Client,
}

impl RustMigration for Elsewhere {
    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        let pool: &Arc<Pool> = cx.resource().ok_or("no pool")?;
        let (pool, taker) = (Arc::clone(pool), pool.bouncer.connect(&pool.database).await);
        let waiting = Arc::clone(&pool);
        tokio::spawn(async move {
            taker.batch_execute("BEGIN").await.unwrap();
            waiting.other.batch_execute("COMMIT").await.unwrap();
            std::future::pending::<()>().await;
        });
        let began = Instant::now();
        while pool.bouncer.pool(&pool.database).await.waiting == 0 {
            assert!(began.elapsed() < Duration::from_secs(20), "nobody waits for the runner's connection");
        }
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f01_a_transaction_on_another_connection_than_the_lock_is_refused_and_the_pooler_named() {
    let (bouncer, database) = (bouncer(PoolMode::Transaction, 2).await, database().await);
    let direct = database.connect().await.unwrap();
    let other = bouncer.connect(database.name()).await;
    other.batch_execute("BEGIN; SELECT 1").await.unwrap();
    let mut client = bouncer.connect(database.name()).await;

    let pool = Arc::new(Pool { bouncer, database: database.name().to_owned(), other });
    let set = MigrationSet::builder().rust(1, "elsewhere", Elsewhere).sql(2, "m2", "CREATE TABLE b (id int)");
    let set = set.build().unwrap();
    let migrator = Migrator::new(set.clone()).resource(pool);
    let error = migrator.run(&mut client, Target::Latest).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Pooler, "{error:?}");
    assert!(error.to_string().starts_with("a pooler in transaction mode stands"), "{error}");
    assert_eq!((history(&direct).await.as_str(), exists(&direct, "b").await), ("1 applied", false));
    // The lock is on a connection that somebody else works on: the error says how to free it.
    let lock = "SELECT pid FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database \
                WHERE l.locktype = 'advisory' AND d.datname = current_database()";
    let holder: i32 = direct.query_one(lock, &[]).await.unwrap().get(0);
    assert!(error.to_string().contains(&format!("pg_terminate_backend({holder})")), "{error}");
    direct.execute("SELECT pg_terminate_backend($1)", &[&holder]).await.unwrap();
    let report =
        Migrator::new(set).run(&mut database.connect().await.unwrap(), Target::Latest).await.unwrap();
    assert_eq!(report.applied().count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f03_no_statement_of_the_library_is_lost_between_the_connections_of_a_pool() {
    let (bouncer, database) = (bouncer(PoolMode::Transaction, 3).await, database().await);
    run(&mut database.connect().await.unwrap(), numbered(20)).await.unwrap();
    let migrator = Migrator::new(numbered(20));
    let boots = |_| {
        let (config, migrator) = (bouncer.config(database.name()), migrator.clone());
        tokio::spawn(async move {
            let (mut client, connection) = config.connect(NoTls).await.unwrap();
            tokio::spawn(connection);
            for _ in 0..30 {
                assert_eq!(migrator.run(&mut client, Target::Latest).await.unwrap().flights(), 1);
                assert_eq!(migrator.status(&client).await.unwrap().state(), State::Current);
                assert_eq!(migrator.ensure_current(&client).await.unwrap(), State::Current);
            }
        })
    };
    for boot in join_all((0..8).map(boots)).await {
        boot.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_mode_pool_is_refused() {
    let (bouncer, database) = (bouncer(PoolMode::Statement, 4).await, database().await);
    let through = bouncer.config(database.name());
    let refused = [Migrator::new(numbered(3)), Migrator::new(numbered(3)).pooler(Pooler::Transaction)];
    for migrator in refused {
        let migrator = migrator.deadline(Duration::from_secs(2));
        let error = dunlin::migrate(&through, NoTls, &migrator).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Pooler, "{error:?}");
        insta::allow_duplicates! {
            insta::assert_snapshot!(error, @"a pooler in statement mode stands between this program and the server, which can't hold a transaction: connect directly (`Migrator::direct`), or to a pool in session or transaction mode");
        }
    }
    let mut direct = database.connect().await.unwrap();
    assert!(!exists(&direct, "dunlin_history").await);
    assert_eq!(left_behind(&direct).await, (0, 0));
    run(&mut direct, numbered(3)).await.unwrap();
    let report = dunlin::migrate(&through, NoTls, &Migrator::new(numbered(3))).await.unwrap();
    assert_eq!((report.state(), report.flights()), (State::Current, 1));
}
