//! A pooler in between is seen in the mode that it works in, and keeps nothing of the look.

use std::time::{Duration, Instant};

use dunlin::diagnosis::{Answer, PoolerVerdict, Severity, Subject};
use dunlin::{Diagnosis, State};
use dunlin_test::Database;
use futures_util::future::join_all;
use tests::{PgBouncer, PoolMode};
use tokio_postgres::{Client, SimpleQueryMessage};

use super::{PATIENCE, about, found, migrator, prepared};
use crate::support::left_behind;

async fn behind(mode: PoolMode, pool_size: usize) -> (Database, Client, PgBouncer) {
    let (database, client) = prepared().await;
    let pooler = PgBouncer::start(&database.config(), mode, pool_size).await;
    (database, client, pooler)
}

async fn through(pooler: &PgBouncer, database: &Database) -> Diagnosis {
    let first = pooler.connect(database.name()).await;
    let second = pooler.connect(database.name()).await;
    migrator().diagnose_on(&first, Some(&second)).await.unwrap()
}

/// Everything but the pooler is answered as without one.
fn is_whole(diagnosis: &Diagnosis) {
    assert_eq!(diagnosis.history().standing().known().unwrap().state(), State::Current, "{diagnosis}");
    assert!(!diagnosis.to_string().contains("not known"), "{diagnosis}");
}

#[tokio::test]
async fn f02_a_transaction_pooler_is_always_seen() {
    let (database, client, pooler) = behind(PoolMode::Transaction, 5).await;
    for round in 0..20 {
        let diagnosis = through(&pooler, &database).await;
        assert_eq!(diagnosis.pooler(), &PoolerVerdict::Transaction, "round {round}: {diagnosis}");
        let (severity, said) = found(&diagnosis, Subject::Pooler);
        assert_eq!(severity, Severity::Problem);
        assert!(said.starts_with("a pooler in transaction mode stands in between"), "{said}");
        is_whole(&diagnosis);
    }
    assert_eq!(left_behind(&client).await, (0, 0));
}

#[tokio::test]
async fn f02_a_transaction_pooler_is_seen_while_others_work() {
    let (database, client, pooler) = behind(PoolMode::Transaction, 4).await;
    // They take the server connections out of each other's hands.
    let others = join_all((0..8).map(|_| pooler.connect(database.name()))).await;
    let busy = others.into_iter().map(|client| {
        tokio::spawn(async move { while client.simple_query("SELECT pg_sleep(0.001)").await.is_ok() {} })
    });
    let busy: Vec<_> = busy.collect();
    for round in 0..100 {
        let diagnosis = through(&pooler, &database).await;
        assert_eq!(diagnosis.pooler(), &PoolerVerdict::Transaction, "round {round}: {diagnosis}");
        is_whole(&diagnosis);
    }
    busy.iter().for_each(|task| task.abort());
    drop(client);
}

#[tokio::test]
async fn f02_f18_a_transaction_pool_of_one_is_seen() {
    let (database, _client, pooler) = behind(PoolMode::Transaction, 1).await;
    let diagnosis = through(&pooler, &database).await;
    assert_eq!(diagnosis.pooler(), &PoolerVerdict::Transaction, "{diagnosis}");
    is_whole(&diagnosis);
}

#[tokio::test]
async fn f02_a_statement_pooler_is_seen() {
    let (database, client, pooler) = behind(PoolMode::Statement, 5).await;
    let diagnosis = through(&pooler, &database).await;
    assert_eq!(diagnosis.pooler(), &PoolerVerdict::Statement, "{diagnosis}");
    assert!(found(&diagnosis, Subject::Pooler).1.starts_with("a pooler in statement mode"));
    is_whole(&diagnosis);
    // Which has closed the connection that wanted a transaction; the server notices after that.
    let began = Instant::now();
    while left_behind(&client).await != (0, 0) {
        assert!(began.elapsed() < PATIENCE, "a transaction stays");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn f02_a_session_pooler_does_no_harm_and_is_none() {
    let (database, client, pooler) = behind(PoolMode::Session, 2).await;
    let diagnosis = through(&pooler, &database).await;
    assert_eq!(diagnosis.pooler(), &PoolerVerdict::NoneSeen, "{diagnosis}");
    assert!(about(&diagnosis, Subject::Pooler).is_empty());
    is_whole(&diagnosis);
    assert_eq!(left_behind(&client).await, (0, 0));
}

#[tokio::test]
async fn f18_a_session_pool_of_one_is_not_waited_for() {
    let (database, _client, pooler) = behind(PoolMode::Session, 1).await;
    let diagnosis = through(&pooler, &database).await;
    let PoolerVerdict::NotKnown(why) = diagnosis.pooler() else { panic!("{diagnosis}") };
    assert!(why.starts_with("the second connection got no answer"), "{why}");
    assert_eq!(diagnosis.history().standing().known().unwrap().state(), State::Current);
}

#[tokio::test]
async fn f02_a_look_leaves_nothing_in_a_server_connection() {
    let (database, _client, pooler) = behind(PoolMode::Transaction, 1).await;
    let one = pooler.connect(database.name()).await;
    let settings = "SELECT string_agg(name || '=' || setting, ',' ORDER BY name) FROM pg_settings";
    let state = async || match &one.simple_query(settings).await.unwrap()[..] {
        [.., SimpleQueryMessage::Row(row), _] => row.get(0).map(str::to_owned),
        _ => None,
    };
    let before = state().await;
    assert!(before.is_some());
    let diagnosis = through(&pooler, &database).await;
    assert_eq!(diagnosis.lock_holder(), &Answer::Known(None));
    assert_eq!(state().await, before);
}
