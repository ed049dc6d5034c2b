//! A role that logs in and one that owns; a role that may only look.

use dunlin::{ErrorKind, HistoryTable, Ident, MigrationSet, Migrator, Pooler, State, Target};
use dunlin_test::Database;
use tests::{Cut, Direction, Fault, PgBouncer, PoolMode, Proxy, database, server};
use tokio_postgres::{Client, Config, NoTls};

use crate::support::{history, left_behind, migration, outside, texts};

/// One migration of each kind.
fn set() -> MigrationSet {
    MigrationSet::builder()
        .sql(1, "a", "CREATE TABLE app.a (id int); INSERT INTO app.a VALUES (1)")
        .migration(migration(
            2,
            "CREATE TABLE app.b (id int)",
            "DROP TABLE app.b",
            Some("SELECT current_user = session_user IS FALSE AS is_the_owner"),
        ))
        .sql(3, "resets", "RESET ROLE; RESET SESSION AUTHORIZATION; RESET ALL")
        .sql(4, "c", "CREATE TABLE app.c (id int)")
        .build()
        .unwrap()
}

/// A role that owns the schema `app`, one that logs in and is a member of it without its rights, and how that one connects.
async fn owner_and_login(database: &Database, admin: &Client) -> (String, String, Config) {
    // The random part of the name: roles are the server's, and a name has 63 bytes.
    let (_, own) = database.name().rsplit_once('_').unwrap();
    let (owner, login) = (format!("owner_{own}"), format!("login_{own}"));
    let roles = format!(
        "CREATE ROLE \"{owner}\"; CREATE ROLE \"{login}\" LOGIN NOINHERIT; GRANT \"{owner}\" TO \"{login}\"; \
         CREATE SCHEMA app AUTHORIZATION \"{owner}\""
    );
    admin.batch_execute(&roles).await.unwrap();
    let mut config = database.config();
    config.user(&login);
    (owner, login, config)
}

/// Takes both away with what they own.
async fn forget(admin: &Client, owner: &str, login: &str) {
    let sql = format!("DROP OWNED BY \"{owner}\", \"{login}\"; DROP ROLE \"{login}\"; DROP ROLE \"{owner}\"");
    admin.batch_execute(&sql).await.unwrap();
}

#[tokio::test]
async fn f67_a_login_role_migrates_as_the_owner() {
    let database = database().await;
    let admin = database.connect().await.unwrap();
    let (owner, login, config) = owner_and_login(&database, &admin).await;
    let table = || HistoryTable::new("app", "dunlin_history").unwrap();
    let migrator = |set| Migrator::new(set).history(table()).role(Ident::new(owner.as_str()).unwrap());

    let without = Migrator::new(set()).history(table());
    let error = dunlin::migrate(&config, NoTls, &without).await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "42501", "{error}");

    assert_eq!(dunlin::migrate(&config, NoTls, &migrator(set())).await.unwrap().applied().count(), 4);
    let report = dunlin::migrate(&config, NoTls, &migrator(set())).await.unwrap();
    assert_eq!((report.state(), report.flights()), (State::Current, 1));
    let more = set().iter().cloned().fold(MigrationSet::builder(), |set, migration| set.shared(migration));
    let more = more
        .sql(
            5,
            "outside",
            outside(
                "CREATE INDEX CONCURRENTLY b_id ON app.b (id); CREATE TABLE app.d (id int); VACUUM app.a",
            ),
        )
        .build()
        .unwrap();
    assert_eq!(dunlin::migrate(&config, NoTls, &migrator(more.clone())).await.unwrap().applied().count(), 1);

    let sql = "SELECT string_agg(DISTINCT tableowner, ', ') FROM pg_tables WHERE schemaname = 'app'";
    assert_eq!(admin.query_one(sql, &[]).await.unwrap().get::<_, String>(0), owner);
    let by = "SELECT string_agg(DISTINCT applied_by, ', ') FROM app.dunlin_history";
    assert_eq!(admin.query_one(by, &[]).await.unwrap().get::<_, String>(0), login, "who logged in did it");

    let (mut client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    let own = migrator(more);
    assert_eq!(own.status(&client).await.unwrap().state(), State::Current);
    assert_eq!(own.ensure_current(&client).await.unwrap(), State::Current);
    assert_eq!(own.verify(&mut client).await.unwrap().verified().len(), 1);
    own.run(&mut client, Target::Version(1)).await.unwrap_err();
    // Asking inside a caller's transaction leaves that as it was.
    client.batch_execute("BEGIN").await.unwrap();
    own.status(&client).await.unwrap();
    own.ensure_current(&client).await.unwrap();
    own.plan(&client, Target::Latest).await.unwrap();
    let state = "SELECT current_user::text, current_setting('row_security')";
    let row = client.query_one(state, &[]).await.unwrap();
    assert_eq!((row.get(0), row.get(1)), (login.as_str(), "on"));
    client.batch_execute("COMMIT").await.unwrap();
    let user: String = client.query_one("SELECT current_user::text", &[]).await.unwrap().get(0);
    assert_eq!(user, login, "the caller's session is the caller's");

    let bouncer = PgBouncer::start(&server().await.config(), PoolMode::Transaction, 2).await;
    let mut through = bouncer.config(database.name());
    through.user(&login);
    admin.batch_execute("DROP SCHEMA app CASCADE").await.unwrap();
    admin.batch_execute(&format!("CREATE SCHEMA app AUTHORIZATION \"{owner}\"")).await.unwrap();
    let pooled = migrator(set()).pooler(Pooler::Transaction);
    assert_eq!(dunlin::migrate(&through, NoTls, &pooled).await.unwrap().applied().count(), 4);
    assert_eq!(admin.query_one(sql, &[]).await.unwrap().get::<_, String>(0), owner);
    drop((client, bouncer));
    forget(&admin, &owner, &login).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f22_what_was_done_before_a_cut_is_read_as_the_owner() {
    for pooler in [Pooler::Session, Pooler::Transaction] {
        let mut messages = None;
        // In peace, then with the answers lost from so many messages before the end on.
        for before_the_end in [0, 2, 6, 12, 25, 40] {
            let database = database().await;
            let admin = database.connect().await.unwrap();
            let (owner, login, config) = owner_and_login(&database, &admin).await;
            let proxy = Proxy::start(&config).await;
            if let Some(messages) = messages {
                proxy.arm([Fault::cut(Direction::ToClient, messages - before_the_end, Cut::Before)]);
            }
            let set = texts(&["CREATE TABLE app.a (id int)", "CREATE TABLE app.b (id int)"]);
            let migrator = Migrator::new(set)
                .pooler(pooler)
                .history(HistoryTable::new("app", "dunlin_history").unwrap())
                .role(Ident::new(owner.as_str()).unwrap());
            let report = dunlin::migrate(&proxy.config(), NoTls, &migrator).await.unwrap();
            assert_eq!(report.applied().count(), 2, "{before_the_end} before the end: {report}");
            messages = messages.or(Some(proxy.traffic().to_client));
            drop(proxy);
            forget(&admin, &owner, &login).await;
        }
    }
}

#[tokio::test]
async fn f47_a_role_that_only_looks_verifies_without_writing() {
    let database = database().await;
    let mut admin = database.connect().await.unwrap();
    let verified = |version, verify| migration(version, "SELECT 1", "SELECT 1", Some(verify));
    let set = MigrationSet::builder()
        .sql(1, "a", "CREATE TABLE a (id int); INSERT INTO a VALUES (1)")
        .migration(verified(2, "SELECT count(*) = 1 AS one FROM a"))
        .build()
        .unwrap();
    let migrator = Migrator::new(set.clone());
    migrator.run(&mut admin, Target::Latest).await.unwrap();
    let role = format!("app_{}", database.name().rsplit_once('_').unwrap().1);
    admin
        .batch_execute(&format!(
            "CREATE ROLE \"{role}\" LOGIN; GRANT SELECT ON a, dunlin_history TO \"{role}\""
        ))
        .await
        .unwrap();
    let mut config = database.config();
    config.user(&role);
    let (mut client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    assert_eq!(migrator.verify_read_only(&mut client).await.unwrap().verified().len(), 1);

    let writes = set.iter().cloned().fold(MigrationSet::builder(), |set, migration| set.shared(migration));
    let writes = Migrator::new(
        writes.migration(verified(3, "INSERT INTO a VALUES (2); SELECT true")).build().unwrap(),
    );
    writes.run(&mut admin, Target::Latest).await.unwrap();
    assert_eq!(writes.verify(&mut admin).await.unwrap().verified().len(), 2);
    let error = writes.verify_read_only(&mut admin).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Verify);
    assert!(error.to_string().contains("cannot execute INSERT in a read-only transaction"), "{error}");
    assert_eq!(
        (history(&admin).await.as_str(), left_behind(&admin).await),
        ("1 applied, 2 applied, 3 applied", (0, 0))
    );
    drop(client);
    admin.batch_execute(&format!("DROP OWNED BY \"{role}\"; DROP ROLE \"{role}\"")).await.unwrap();
}
