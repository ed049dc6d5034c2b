//! The history, the role, the path and the server that a run would find.

use dunlin::diagnosis::{Answer, HistoryPresence, PoolerVerdict, Severity, Subject};
use dunlin::{ErrorKind, HistoryTable, Ident, MigrationSet, Migrator, RecordState, State, Target};
use tests::{Standby, database};
use tokio_postgres::NoTls;

use super::{about, diagnose, drop_role, found, migrator, prepared, stranger};
use crate::support::{numbered, run};

#[tokio::test]
async fn f49_a_history_in_another_schema_is_a_problem() {
    let (_database, client) = prepared().await;
    client.batch_execute("CREATE SCHEMA app").await.unwrap();
    let table = || HistoryTable::new("app", "dunlin_history").unwrap();
    let moved = migrator().history(table()).diagnose_on(&client, None).await.unwrap();
    assert_eq!(moved.history().presence(), &Answer::Known(HistoryPresence::Elsewhere("public".to_owned())));
    assert!(moved.history().standing().known().is_none());
    let (severity, said) = found(&moved, Subject::History);
    assert_eq!(severity, Severity::Problem);
    assert!(said.contains("is missing, but there is one in schema public: configure that schema"), "{said}");
    // Where there may be several, it is a fresh one.
    let beside = migrator().history(table().beside_others()).diagnose_on(&client, None).await.unwrap();
    assert_eq!(beside.history().presence(), &Answer::Known(HistoryPresence::Absent));
    assert_eq!(found(&beside, Subject::History).0, Severity::Note);
}

#[tokio::test]
async fn f48_f64_what_a_run_would_refuse_the_history_for_is_a_problem() {
    let trigger = "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; \
                   CREATE TRIGGER t BEFORE INSERT ON dunlin_history FOR EACH ROW EXECUTE FUNCTION f()";
    let security = "ALTER TABLE dunlin_history ENABLE ROW LEVEL SECURITY";
    let shape = "ALTER TABLE dunlin_history ADD COLUMN note text";
    let view = "ALTER TABLE dunlin_history RENAME TO h; CREATE VIEW dunlin_history AS SELECT * FROM h";
    let row = "UPDATE dunlin_history SET checksum = 'x' WHERE version = 2";
    for sql in [trigger, security, shape, view, row] {
        let (_database, mut client) = prepared().await;
        client.batch_execute(sql).await.unwrap();
        let diagnosis = diagnose(&client).await;
        let problem = about(&diagnosis, Subject::History)[0];
        assert_eq!(problem.severity(), Severity::Problem, "{diagnosis}");
        // In the words of the run that is refused.
        let error = run(&mut client, numbered(4)).await.unwrap_err();
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::History, problem.to_string()), "{sql}");
    }
}

#[tokio::test]
async fn half_applied_and_diverged_histories_are_told_of() {
    let (_database, mut client) = prepared().await;
    let half = MigrationSet::builder()
        .sql(1, "create_t1", "SELECT 1")
        .sql(2, "m2", "-- dunlin: no-transaction\nCREATE TABLE a (id int);\nSELECT 1/0;")
        .build()
        .unwrap();
    client.batch_execute("DELETE FROM dunlin_history").await.unwrap();
    run(&mut client, half.clone()).await.unwrap_err();
    let diagnosis = Migrator::new(half).diagnose_on(&client, None).await.unwrap();
    assert!(diagnosis.is_healthy());
    let (severity, said) = found(&diagnosis, Subject::History);
    assert_eq!(severity, Severity::Warning);
    assert!(
        said.starts_with("migration 2 (m2) is half applied: 1 of its statements are done: run again"),
        "{said}"
    );
    let standing = diagnosis.history().standing().known().unwrap();
    assert_eq!((standing.state(), standing.applied()), (State::Behind, 1));
    let [finding] = standing.findings() else { panic!("{diagnosis}") };
    assert!(matches!(
        finding.kind(),
        dunlin::FindingKind::HalfApplied { state: RecordState::Failed, statements_done: 1, .. }
    ));

    let edited = MigrationSet::builder().sql(1, "create_t1", "SELECT 2").build().unwrap();
    let diagnosis = Migrator::new(edited).diagnose_on(&client, None).await.unwrap();
    let said: Vec<_> = about(&diagnosis, Subject::History).iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 2, "{diagnosis}");
    assert!(
        said[0].starts_with("migration 1 (create_t1) was edited after it was applied: restore"),
        "{said:?}"
    );
    assert!(!diagnosis.is_healthy());
}

#[tokio::test]
async fn f52_a_history_that_is_replicated_is_warned_of() {
    let (_database, client) = prepared().await;
    client
        .batch_execute("CREATE TABLE other (id int); CREATE PUBLICATION one FOR TABLE other")
        .await
        .unwrap();
    assert!(about(&diagnose(&client).await, Subject::Replication).is_empty());
    client.batch_execute("CREATE PUBLICATION everything FOR ALL TABLES").await.unwrap();
    client.batch_execute("CREATE PUBLICATION history FOR TABLE dunlin_history").await.unwrap();
    let diagnosis = diagnose(&client).await;
    assert_eq!(diagnosis.publications().known().unwrap(), &["everything", "history"]);
    let severities: Vec<_> = about(&diagnosis, Subject::Replication).iter().map(|f| f.severity()).collect();
    assert_eq!(severities, [Severity::Warning, Severity::Warning]);
}

#[tokio::test]
async fn f52_a_subscription_is_told_of() {
    let (_database, client) = prepared().await;
    let subscribe = "CREATE SUBSCRIPTION sub CONNECTION 'host=nowhere' PUBLICATION p WITH (connect = false)";
    client.batch_execute(subscribe).await.unwrap();
    let (severity, said) = found(&diagnose(&client).await, Subject::Replication);
    assert!(severity == Severity::Note && said.contains("subscription \"sub\""), "{said}");
    let writes = "INSERT INTO pg_subscription_rel (srsubid, srrelid, srsubstate) \
                  SELECT oid, 'dunlin_history'::regclass, 'r' FROM pg_subscription WHERE subname = 'sub'";
    client.batch_execute(writes).await.unwrap();
    let diagnosis = diagnose(&client).await;
    assert_eq!(found(&diagnosis, Subject::Replication).0, Severity::Problem);
    assert!(diagnosis.subscriptions().known().unwrap()[0].writes_history());
    client
        .batch_execute("ALTER SUBSCRIPTION sub SET (slot_name = NONE); DROP SUBSCRIPTION sub")
        .await
        .unwrap();
}

#[tokio::test]
async fn f63_a_schema_of_everybody_on_the_path_is_warned_of() {
    let (_database, client) = prepared().await;
    client
        .batch_execute("CREATE SCHEMA app; CREATE SCHEMA \"open\"; GRANT CREATE ON SCHEMA \"open\" TO PUBLIC")
        .await
        .unwrap();
    assert!(about(&diagnose(&client).await, Subject::SearchPath).is_empty());
    let diagnosis = migrator().search_path("app, \"open\"").diagnose_on(&client, None).await.unwrap();
    let (severity, said) = found(&diagnosis, Subject::SearchPath);
    assert_eq!(severity, Severity::Warning);
    assert!(said.ends_with(": `REVOKE CREATE ON SCHEMA \"open\" FROM PUBLIC`"), "{said}");
    let path: Vec<_> = diagnosis.search_path().known().unwrap().iter().map(|schema| schema.name()).collect();
    assert_eq!(path, ["app", "open"]);
    client.batch_execute("REVOKE CREATE ON SCHEMA \"open\" FROM PUBLIC").await.unwrap();
    let diagnosis = migrator().search_path("app, \"open\"").diagnose_on(&client, None).await.unwrap();
    assert!(about(&diagnosis, Subject::SearchPath).is_empty());
}

#[tokio::test]
async fn f47_a_role_without_rights_gets_a_diagnosis_of_what_it_lacks() {
    let (database, owner) = prepared().await;
    let (name, client) = stranger(&database, &owner).await;
    let diagnosis = diagnose(&client).await;
    assert!(!diagnosis.is_healthy());
    assert!(diagnosis.history().standing().known().is_none(), "{diagnosis}");
    let said: Vec<_> = about(&diagnosis, Subject::Role).iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 1);
    assert!(
        said[0].contains(&format!("GRANT SELECT ON \"public\".\"dunlin_history\" TO \"{name}\"")),
        "{said:?}"
    );
    assert!(
        found(&diagnosis, Subject::History).1.contains("belongs to a role that this one is no member of")
    );
    // The first schema of its path is not its own.
    assert_eq!(found(&diagnosis, Subject::SearchPath).0, Severity::Warning);
    assert!(diagnosis.open_transactions().known().unwrap().hidden_sessions() > 0);

    owner.batch_execute(&format!("GRANT SELECT ON dunlin_history TO \"{name}\"")).await.unwrap();
    let diagnosis = diagnose(&client).await;
    assert_eq!(diagnosis.history().standing().known().unwrap().state(), State::Current);
    assert_eq!(found(&diagnosis, Subject::Role).0, Severity::Note);

    let fresh = migrator().history(HistoryTable::new("public", "other_history").unwrap());
    let fresh = fresh.diagnose_on(&client, None).await.unwrap();
    assert!(found(&fresh, Subject::Role).1.contains("may not create the history in schema \"public\""));
    let fresh = migrator().history(HistoryTable::new("nowhere", "other_history").unwrap());
    let fresh = fresh.diagnose_on(&client, None).await.unwrap();
    assert!(found(&fresh, Subject::Role).1.contains("may not create the schema \"nowhere\""));
    drop_role(&owner, &name).await;
}

#[tokio::test]
async fn what_may_not_be_asked_is_not_known_and_nothing_else() {
    let (database, owner) = prepared().await;
    let (name, client) = stranger(&database, &owner).await;
    owner
        .batch_execute("REVOKE SELECT ON pg_catalog.pg_prepared_xacts, pg_catalog.pg_settings FROM PUBLIC")
        .await
        .unwrap();
    let diagnosis = diagnose(&client).await;
    let Answer::NotKnown(why) = diagnosis.prepared_transactions() else { panic!("{diagnosis}") };
    assert_eq!(why, "permission denied for view pg_prepared_xacts (SQLSTATE 42501)");
    assert!(diagnosis.settings().known().is_none());
    assert!(diagnosis.role().known().is_some() && diagnosis.invalid_indexes().known().is_some());
    owner
        .batch_execute("GRANT SELECT ON pg_catalog.pg_prepared_xacts, pg_catalog.pg_settings TO PUBLIC")
        .await
        .unwrap();
    drop_role(&owner, &name).await;
}

#[tokio::test]
async fn f19_a_standby_is_a_problem_where_there_is_work() {
    let standby = Standby::start().await;
    let mut primary = standby.primary().await;
    run(&mut primary, numbered(3)).await.unwrap();
    let client = standby.caught_up(&primary).await;
    let second = standby.caught_up(&primary).await;
    let diagnosis = migrator().diagnose_on(&client, Some(&second)).await.unwrap();
    assert!(diagnosis.is_healthy(), "{diagnosis}");
    assert_eq!(found(&diagnosis, Subject::Server).0, Severity::Note);
    assert_eq!(diagnosis.pooler(), &PoolerVerdict::NoneSeen);
    let diagnosis = Migrator::new(numbered(4)).diagnose_on(&client, None).await.unwrap();
    let (severity, said) = found(&diagnosis, Subject::Server);
    assert_eq!(severity, Severity::Problem);
    assert!(said.starts_with("the server is a standby"), "{said}");
}

#[tokio::test]
async fn f11_settings_are_told_with_where_they_come_from() {
    let (database, owner) = prepared().await;
    let (name, _client) = stranger(&database, &owner).await;
    let settings = format!(
        "ALTER ROLE \"{name}\" SET statement_timeout = '5s'; ALTER DATABASE {0} SET lock_timeout = '3s'; \
         ALTER ROLE \"{name}\" IN DATABASE {0} SET default_transaction_isolation = 'serializable'; \
         ALTER ROLE \"{name}\" SET default_transaction_read_only = on; \
         ALTER ROLE \"{name}\" SET synchronous_commit = off; \
         ALTER ROLE \"{name}\" SET session_replication_role = replica; \
         GRANT SELECT ON dunlin_history, dunlin_history_head TO \"{name}\"",
        database.name()
    );
    owner.batch_execute(&settings).await.unwrap();
    let mut config = database.config();
    config.user(&name);
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    let diagnosis = Migrator::new(numbered(4)).diagnose_on(&client, None).await.unwrap();
    let text = diagnosis.to_string();
    for line in [
        "statement_timeout = 5s (role)",
        "lock_timeout = 3s (database)",
        "default_transaction_isolation = serializable (role in this database)",
        "default_transaction_read_only = on (role)",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let said: Vec<_> =
        about(&diagnosis, Subject::Setting).iter().map(|f| (f.severity(), f.what().to_owned())).collect();
    let says = |severity, what: &str| said.iter().any(|(s, w)| *s == severity && w.contains(what));
    assert!(says(Severity::Warning, "session_replication_role is replica"), "{said:?}");
    assert!(says(Severity::Note, "2 timeouts do not hold for migrations"), "{said:?}");
    assert!(says(Severity::Note, "transactions are serializable by default"), "{said:?}");
    assert!(says(Severity::Note, "synchronous_commit is off"), "{said:?}");
    // A session that begins read-only can't migrate.
    let (severity, said) = found(&diagnosis, Subject::Server);
    assert_eq!(severity, Severity::Problem);
    assert!(said.contains("default_transaction_read_only"), "{said}");
    drop_role(&owner, &name).await;
}

#[tokio::test]
async fn f67_rights_are_judged_as_the_role_that_migrations_run_as() {
    let database = database().await;
    let admin = database.connect().await.unwrap();
    let (login, client) = stranger(&database, &admin).await;
    let owner = login.replace("stranger", "owner");
    admin
        .batch_execute(&format!("CREATE ROLE \"{owner}\"; CREATE SCHEMA app AUTHORIZATION \"{owner}\""))
        .await
        .unwrap();
    let migrator = Migrator::new(numbered(3))
        .history(HistoryTable::new("app", "dunlin_history").unwrap())
        .search_path("app")
        .role(Ident::new(owner.as_str()).unwrap());

    let diagnosis = migrator.diagnose_on(&client, None).await.unwrap();
    let (severity, text) = found(&diagnosis, Subject::Role);
    assert_eq!(severity, Severity::Problem);
    assert!(text.contains("permission denied to set role") && text.contains("`GRANT \"owner_"), "{text}");

    admin
        .batch_execute(&format!("GRANT \"{owner}\" TO \"{login}\"; ALTER ROLE \"{login}\" NOINHERIT"))
        .await
        .unwrap();
    let mut session = database.config();
    let (mut session, connection) = session.user(&login).connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    for applied in [0, 3] {
        let diagnosis = migrator.diagnose_on(&session, None).await.unwrap();
        let harm = diagnosis.findings().iter().filter(|f| f.severity() < Severity::Note).count();
        assert_eq!(harm, 0, "{diagnosis}");
        assert!(!diagnosis.to_string().contains("without an answer"), "{diagnosis}");
        let role = diagnosis.role().known().unwrap();
        assert_eq!((role.current_user(), role.session_user()), (owner.as_str(), login.as_str()));
        assert_eq!(diagnosis.history().standing().known().unwrap().applied(), applied);
        assert_eq!(diagnosis.search_path().known().unwrap().len(), 1);
        migrator.run(&mut session, Target::Latest).await.unwrap();
    }
    admin.batch_execute(&format!("DROP OWNED BY \"{owner}\" CASCADE; DROP ROLE \"{owner}\"")).await.unwrap();
    drop_role(&admin, &login).await;
}
