//! A diagnosis finds what is wrong around a run, says what to do about it, and changes nothing.

mod leftovers;
mod pooler;
mod surroundings;

use std::time::{Duration, Instant};

use dunlin::diagnosis::{Answer, DiagnosisFinding, HistoryPresence, PoolerVerdict, Severity, Subject};
use dunlin::{Diagnosis, ErrorKind, Migrator, State};
use dunlin_test::Database;
use tests::{Proxy, database};
use tokio_postgres::{Client, NoTls};

use crate::support::{exists, left_behind, numbered, run};

/// How long a test waits for a state.
const PATIENCE: Duration = Duration::from_secs(60);

/// The three migrations that most of these databases have applied.
fn migrator() -> Migrator {
    Migrator::new(numbered(3))
}

async fn diagnose(client: &Client) -> Diagnosis {
    migrator().diagnose_on(client, None).await.unwrap()
}

/// A database with the history of [`migrator`].
async fn prepared() -> (Database, Client) {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    run(&mut client, numbered(3)).await.unwrap();
    // Versions before 15 let everybody create there, which is a finding of its own.
    client.batch_execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC").await.unwrap();
    (database, client)
}

/// The findings about a subject.
fn about(diagnosis: &Diagnosis, subject: Subject) -> Vec<&DiagnosisFinding> {
    diagnosis.findings().iter().filter(|finding| finding.subject() == subject).collect()
}

/// The one finding about a subject: how bad it is, and what is said.
fn found(diagnosis: &Diagnosis, subject: Subject) -> (Severity, String) {
    match about(diagnosis, subject)[..] {
        [finding] => (finding.severity(), finding.to_string()),
        _ => panic!("not one finding about {subject:?}: {diagnosis}"),
    }
}

/// A role of the test's own that may do nothing but connect, and a connection of it.
async fn stranger(database: &Database, owner: &Client) -> (String, Client) {
    let name = database.name().replace("dunlin_test", "stranger");
    owner.batch_execute(&format!("CREATE ROLE \"{name}\" LOGIN")).await.unwrap();
    let mut config = database.config();
    config.user(&name);
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    (name, client)
}

async fn drop_role(owner: &Client, name: &str) {
    owner.batch_execute(&format!("DROP OWNED BY \"{name}\"; DROP ROLE \"{name}\"")).await.unwrap();
}

#[tokio::test]
async fn a_sound_database_is_healthy() {
    let (database, client) = prepared().await;
    let second = database.connect().await.unwrap();
    let diagnosis = migrator().diagnose_on(&client, Some(&second)).await.unwrap();
    assert!(diagnosis.is_healthy(), "{diagnosis}");
    let harm: Vec<_> = diagnosis.findings().iter().filter(|f| f.severity() < Severity::Note).collect();
    assert!(harm.is_empty(), "{diagnosis}");
    let server = diagnosis.server().known().unwrap();
    assert_eq!((server.database(), server.is_standby(), server.is_local()), (database.name(), false, true));
    assert_eq!(server.version_number(), database.server().version_num());
    let role = diagnosis.role().known().unwrap();
    assert!(role.is_member_of_owner() && role.may_read_history() && role.may_read_digest());
    assert_eq!(diagnosis.history().presence(), &Answer::Known(HistoryPresence::Present));
    let standing = diagnosis.history().standing().known().unwrap();
    assert_eq!((standing.state(), standing.applied(), standing.pending()), (State::Current, 3, 0));
    assert_eq!(diagnosis.lock_holder(), &Answer::Known(None));
    assert_eq!(diagnosis.pooler(), &PoolerVerdict::NoneSeen);
    assert_eq!(left_behind(&second).await, (0, 0));
}

#[tokio::test]
async fn a_fresh_database_is_healthy_and_waits_for_its_migrations() {
    let database = database().await;
    let client = database.connect().await.unwrap();
    let diagnosis = diagnose(&client).await;
    assert!(diagnosis.is_healthy(), "{diagnosis}");
    assert_eq!(diagnosis.history().presence(), &Answer::Known(HistoryPresence::Absent));
    let (severity, said) = found(&diagnosis, Subject::History);
    assert_eq!(
        (severity, said.as_str()),
        (Severity::Note, "3 migrations are waiting to be applied: migrate")
    );
}

#[tokio::test]
async fn it_takes_three_flights_and_fifteen_more_to_see_no_pooler() {
    let (database, _client) = prepared().await;
    let proxy = Proxy::start(&database.config()).await.with_round_trip(Duration::from_millis(50));
    let connect = || async {
        let (client, connection) = proxy.config().connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    };
    let (client, second) = (connect().await, connect().await);
    proxy.reset();
    let diagnosis = migrator().diagnose_on(&client, None).await.unwrap();
    assert_eq!((proxy.flights(), diagnosis.flights()), (3, 3));
    proxy.reset();
    let diagnosis = migrator().diagnose_on(&client, Some(&second)).await.unwrap();
    // Nine times a wait: the connections ask at the same time.
    assert_eq!((proxy.flights(), diagnosis.flights()), (18, 18));
}

#[tokio::test]
async fn it_leaves_the_session_as_it_was_and_refuses_one_inside_a_transaction() {
    let (_database, client) = prepared().await;
    let settings =
        "SELECT string_agg(name || '=' || current_setting(name), ',' ORDER BY name) FROM pg_settings";
    client.batch_execute("SET search_path = pg_temp, public; SET lock_timeout = '7s'").await.unwrap();
    let before: String = client.query_one(settings, &[]).await.unwrap().get(0);
    assert!(diagnose(&client).await.is_healthy());
    let after: String = client.query_one(settings, &[]).await.unwrap().get(0);
    assert_eq!(before, after);
    for statement in ["SELECT 1", "SELEKT 1"] {
        client.batch_execute("BEGIN").await.unwrap();
        let _ = client.batch_execute(statement).await;
        let error = migrator().diagnose_on(&client, None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{statement}");
        client.batch_execute("ROLLBACK").await.unwrap();
    }
}

#[tokio::test]
async fn a_transaction_of_the_second_connection_is_left_alone() {
    let (database, client) = prepared().await;
    let second = database.connect().await.unwrap();
    second.batch_execute("BEGIN; CREATE TABLE begun (id int)").await.unwrap();
    let diagnosis = migrator().diagnose_on(&client, Some(&second)).await.unwrap();
    let PoolerVerdict::NotKnown(why) = diagnosis.pooler() else { panic!("{diagnosis}") };
    assert_eq!(why, "the second connection is inside a transaction");
    second.batch_execute("INSERT INTO begun VALUES (1); COMMIT").await.unwrap();
    assert!(exists(&client, "begun").await);
}

#[tokio::test]
async fn a_hostile_search_path_changes_no_answer() {
    let (_database, client) = prepared().await;
    let evil = "CREATE SCHEMA evil; \
                CREATE FUNCTION evil.no(text, text) RETURNS bool LANGUAGE sql AS 'SELECT false'; \
                CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.no); \
                CREATE VIEW evil.pg_class AS SELECT * FROM pg_catalog.pg_class WHERE false; \
                CREATE VIEW evil.pg_locks AS SELECT * FROM pg_catalog.pg_locks WHERE false; \
                CREATE VIEW evil.pg_settings AS SELECT * FROM pg_catalog.pg_settings WHERE false; \
                SET search_path = evil, pg_catalog, public";
    client.batch_execute(evil).await.unwrap();
    let diagnosis = diagnose(&client).await;
    assert!(diagnosis.is_healthy(), "{diagnosis}");
    assert_eq!(diagnosis.history().standing().known().unwrap().state(), State::Current);
    assert!(diagnosis.settings().known().unwrap().len() > 10);
}

#[tokio::test]
async fn f02_one_connection_alone_says_nothing_about_a_pooler() {
    let (_database, client) = prepared().await;
    let diagnosis = diagnose(&client).await;
    assert!(matches!(diagnosis.pooler(), PoolerVerdict::NotKnown(_)), "{diagnosis}");
    assert!(about(&diagnosis, Subject::Pooler).is_empty());
}

#[tokio::test]
async fn a_locked_history_is_not_waited_for() {
    let (database, client) = prepared().await;
    let other = database.connect().await.unwrap();
    other.batch_execute("BEGIN; LOCK TABLE dunlin_history").await.unwrap();
    let diagnosis = tokio::time::timeout(Duration::from_secs(60), diagnose(&client)).await.unwrap();
    let Answer::NotKnown(why) = diagnosis.history().standing() else { panic!("{diagnosis}") };
    assert!(why.contains("lock timeout"), "{why}");
}

#[tokio::test]
async fn f27_a_diagnosis_that_is_dropped_leaves_nothing_behind() {
    let (database, witness) = prepared().await;
    let proxy = Proxy::start(&database.config()).await.with_round_trip(Duration::from_millis(20));
    let connect = || async {
        let (client, connection) = proxy.config().connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    };
    let client = connect().await;
    let path = "SELECT current_setting('search_path') || current_setting('lock_timeout')";
    let before: String = client.query_one(path, &[]).await.unwrap().get(0);
    let mut ended = 0;
    for pause in (5..).step_by(15) {
        let second = connect().await;
        let migrator = migrator();
        let diagnosing = migrator.diagnose_on(&client, Some(&second));
        let outcome = tokio::time::timeout(Duration::from_millis(pause), diagnosing).await;
        drop(second);
        let after: String = client.query_one(path, &[]).await.unwrap().get(0);
        assert_eq!(before, after);
        let began = Instant::now();
        while left_behind(&witness).await != (0, 0) {
            assert!(began.elapsed() < PATIENCE, "dropped after {pause} ms, a transaction or a lock stays");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        ended += i32::from(outcome.is_ok());
        if ended == 2 {
            break;
        }
    }
}

#[tokio::test]
async fn a_diagnosis_is_json_for_machines() {
    let (_database, client) = prepared().await;
    let json = serde_json::to_value(diagnose(&client).await).unwrap();
    assert_eq!(json["history"]["standing"]["known"]["state"], "current");
    assert_eq!(json["lock"]["known"], serde_json::Value::Null);
    assert_eq!(json["indexes"]["known"], serde_json::json!([]));
    assert_eq!(json["pooler"], serde_json::json!({"not_known": "that takes a second connection"}));
    assert_eq!(json["findings"][0]["severity"], "note");
}

/// Asks until the answer is the one waited for.
async fn until<F>(ask: impl Fn() -> F, is_so: impl Fn(&Diagnosis) -> bool) -> Diagnosis
where
    F: Future<Output = Result<Diagnosis, dunlin::Error>>,
{
    let began = Instant::now();
    loop {
        let diagnosis = ask().await.unwrap();
        if is_so(&diagnosis) {
            return diagnosis;
        }
        assert!(began.elapsed() < PATIENCE, "{diagnosis}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
