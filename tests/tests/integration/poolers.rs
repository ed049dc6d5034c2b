//! A real pgbouncer in between. Session mode is as good as no pooler; in the other modes the session that holds the lock
//! is not the one that works, which is noticed and named.

use std::sync::Arc;
use std::time::{Duration, Instant};

use dunlin::{BoxError, Context, ErrorKind, MigrationSet, Migrator, RustMigration, State, Target};
use futures_util::future::join_all;
use tests::{PgBouncer, PoolMode, Proxy, Round, database, server};
use tokio_postgres::{Client, NoTls};

use crate::support::{exists, history, left_behind, numbered, run, texts};

async fn bouncer(mode: PoolMode, pool_size: usize) -> PgBouncer {
    PgBouncer::start(&server().await.config(), mode, pool_size).await
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
async fn f01_runners_behind_a_transaction_mode_pool_damage_nothing() {
    for pool_size in [1, 2, 20] {
        let bouncer = bouncer(PoolMode::Transaction, pool_size).await;
        for _ in 0..5 {
            let database = database().await;
            let migrator = Migrator::new(Round::set(10)).deadline(Duration::from_secs(2));
            let round = Round::run(&migrator, &database, &bouncer.config(database.name()), 8).await;
            assert_eq!(round.wrong, Vec::<String>::new(), "pool of {pool_size}: {:?}", round.outcomes);
        }
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
    assert_eq!(error.kind(), ErrorKind::LockLost, "{error:?}");
    insta::assert_snapshot!(error, @"the migration lock is not held by this connection any more: a pooler in transaction or statement mode stands in between, or a migration has released it; connect directly, or to a session-mode pool (one migration was done before it)");
    assert_eq!((history(&direct).await.as_str(), exists(&direct, "b").await), ("1 applied", false));

    // The lock is still on the connection that had it. Whoever comes is told whose it is, and how to end it.
    let lock = "SELECT pid FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database \
                WHERE l.locktype = 'advisory' AND d.datname = current_database()";
    let holder: i32 = direct.query_one(lock, &[]).await.unwrap().get(0);
    let mut second = database.connect().await.unwrap();
    let migrator = Migrator::new(set);
    let error = migrator.clone().deadline(Duration::from_millis(300)).run(&mut second, Target::Latest).await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LockTimeout);
    assert!(error.to_string().contains(&format!("pg_terminate_backend({holder})")), "{error}");
    direct.execute("SELECT pg_terminate_backend($1)", &[&holder]).await.unwrap();
    let report = migrator.run(&mut second, Target::Latest).await.unwrap();
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
async fn a_statement_mode_pool_boots_when_there_is_nothing_to_do_and_damages_nothing() {
    let bouncer = bouncer(PoolMode::Statement, 4).await;
    for _ in 0..5 {
        let database = database().await;
        let migrator = Migrator::new(Round::set(10)).deadline(Duration::from_secs(2));
        let through = bouncer.config(database.name());
        let round = Round::run(&migrator, &database, &through, 8).await;
        assert_eq!(round.wrong, Vec::<String>::new(), "{:?}", round.outcomes);
        let mut direct = database.connect().await.unwrap();
        // New server connections, without the locks that the old ones may hold.
        bouncer.admin("RECONNECT").await;
        migrator.run(&mut direct, Target::Latest).await.unwrap();
        let report = dunlin::migrate(&through, NoTls, &migrator).await.unwrap();
        assert_eq!((report.state(), report.flights()), (State::Current, 1));
    }
}
