//! What a run requires before it begins.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use dunlin::requirement::{
    Check, Extension, FreeConnections, FreeDisk, Privilege, ServerVersion, TablePrivilege,
};
use dunlin::{
    BoxError, Error, ErrorKind, Ident, Migrator, Pooler, Preflight, Requirement, RunContext, RunHook, Target,
    Unmet,
};
use dunlin_test::Database;
use tests::{PgBouncer, PoolMode, Proxy, database, server};
use tokio_postgres::{Client, Config, NoTls};

use crate::support::{exists, left_behind, numbered, texts};

/// Counts how often it is looked at.
struct Counts(Arc<AtomicU32>);

#[async_trait::async_trait]
impl Requirement for Counts {
    fn name(&self) -> String {
        "a count".to_owned()
    }

    async fn check(&self, _: &Preflight<'_>) -> Result<(), BoxError> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// A database without the rights that everybody has, a role that logs in, and how it connects.
async fn login(database: &Database) -> (Client, String, Config) {
    let admin = database.connect().await.unwrap();
    let (_, own) = database.name().rsplit_once('_').unwrap();
    let login = format!("login_{own}");
    admin.batch_execute(&format!("CREATE ROLE \"{login}\" LOGIN; CREATE SCHEMA app")).await.unwrap();
    let mut config = database.config();
    config.user(&login);
    (admin, login, config)
}

async fn forget(admin: &Client, login: &str) {
    admin.batch_execute(&format!("DROP OWNED BY \"{login}\"; DROP ROLE \"{login}\"")).await.unwrap();
}

/// What a run says that requires this; nothing if it runs.
async fn unmet(config: &Config, requirement: impl Requirement) -> Option<String> {
    let migrator = Migrator::new(texts(&["SELECT 1"])).requires(requirement);
    let told = match dunlin::migrate(config, NoTls, &migrator).await {
        Ok(_) => None,
        Err(error) if error.kind() == ErrorKind::Requirement => {
            Some(error.unmet().first().unwrap().to_string())
        }
        // A role that may not create a history got so far.
        Err(error) => {
            assert_eq!(error.code().map(|code| code.code()), Some("42501"), "{error}");
            None
        }
    };
    if told.is_none() {
        let (client, connection) = config.connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client.batch_execute("DROP TABLE IF EXISTS public.dunlin_history_head, public.dunlin_history_events, public.dunlin_history").await.unwrap();
    }
    told
}

#[tokio::test]
async fn all_that_is_not_met_is_told_at_once_and_nothing_is_done() {
    struct NeverCalled;

    #[async_trait::async_trait]
    impl RunHook for NeverCalled {
        async fn before(&self, _: &RunContext<'_>) -> Result<(), BoxError> {
            Err("it was called".into())
        }
    }

    let database = database().await;
    let migrator = Migrator::new(numbered(2))
        .around_run(NeverCalled)
        .requires(ServerVersion::at_least(10))
        .requires(Extension::available("not_there"))
        .requires(Privilege::create_on_schema("nowhere"))
        .requires(Check::new("an answer", |_| Box::pin(async { Err("there is none: ask again".into()) })))
        .requires(Check::new("both", |_| {
            Box::pin(async { Err(Unmet::new("one is missing").remedy("bring it").into()) })
        }));
    let error = dunlin::migrate(&database.config(), NoTls, &migrator).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Requirement);
    let names: Vec<_> = error.unmet().iter().map(Unmet::name).collect();
    assert_eq!(names, ["extension `not_there`", "CREATE on the schema `nowhere`", "an answer", "both"]);
    let last = error.unmet().last().unwrap();
    assert_eq!((last.what(), last.what_to_do()), ("one is missing", Some("bring it")));
    let major = server_major(&database).await;
    let text = error.to_string().replace(&format!("PostgreSQL {major};"), "PostgreSQL N;");
    insta::assert_snapshot!(text, @"4 of 5 requirements are not met, nothing was done: extension `not_there` (the server does not have it: install it there, for PostgreSQL N; what comes with PostgreSQL itself is in its contrib package), CREATE on the schema `nowhere` (there is none of this name: create it), an answer (there is none: ask again), both (one is missing: bring it)");
    let client = database.connect().await.unwrap();
    assert!(!exists(&client, "t1").await && !exists(&client, "dunlin_history").await);
    assert_eq!(left_behind(&client).await, (0, 0));
}

async fn server_major(database: &Database) -> String {
    let client = database.connect().await.unwrap();
    let row =
        client.query_one("SELECT current_setting('server_version_num')::int / 10000", &[]).await.unwrap();
    row.get::<_, i32>(0).to_string()
}

#[tokio::test]
async fn where_nothing_is_to_be_done_nothing_is_required() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let counted = Arc::new(AtomicU32::new(0));
    let migrator = Migrator::new(numbered(2)).requires(Counts(Arc::clone(&counted)));
    migrator.run(&mut client, Target::Latest).await.unwrap();
    assert_eq!(counted.load(Ordering::Relaxed), 1);
    let report =
        migrator.requires(ServerVersion::at_least(99)).run(&mut client, Target::Latest).await.unwrap();
    assert_eq!((report.flights(), counted.load(Ordering::Relaxed)), (1, 1));
}

#[tokio::test]
async fn all_requirements_are_one_flight() {
    let database = database().await;
    let migrator = Migrator::new(numbered(3))
        .requires(ServerVersion::at_least(10))
        .requires(Privilege::create_on_database())
        .requires(FreeConnections::at_least(1))
        .requires(Extension::available("pg_trgm"))
        .requires(FreeDisk::at_least(1));
    let proxy = Proxy::start(&database.config()).await.with_round_trip(Duration::from_millis(50));
    let (mut client, connection) = proxy.config().connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    proxy.reset();
    let report = migrator.run(&mut client, Target::Latest).await.unwrap();
    // Without them it is four.
    assert_eq!((proxy.flights(), report.flights()), (5, 5));
}

#[tokio::test]
async fn a_server_has_a_version() {
    let database = database().await;
    let client = database.connect().await.unwrap();
    let number: String = client.query_one("SHOW server_version_num", &[]).await.unwrap().get(0);
    let number: u32 = number.parse().unwrap();
    let (major, minor) = (number / 10_000, number % 10_000);
    let config = database.config();
    assert_eq!(unmet(&config, ServerVersion::at_least(major)).await, None);
    assert_eq!(unmet(&config, ServerVersion::at_least(major).minor(minor)).await, None);
    assert_eq!(
        unmet(&config, ServerVersion::at_least(major + 1)).await.unwrap(),
        format!("PostgreSQL {} or later (the server is PostgreSQL {major}.{minor}: upgrade it)", major + 1)
    );
    let told = unmet(&config, ServerVersion::at_least(major).minor(minor + 1)).await.unwrap();
    assert!(told.starts_with(&format!("PostgreSQL {major}.{} or later (", minor + 1)), "{told}");
}

#[tokio::test]
async fn an_extension_is_there_or_may_be_created() {
    let database = database().await;
    let (admin, login, config) = login(&database).await;
    let plain = |text: String| text.replace(&login, "LOGIN").replace(database.name(), "DATABASE");

    let told = unmet(&config, Extension::available("pg_trgm")).await.unwrap();
    insta::assert_snapshot!(plain(told), @"extension `pg_trgm` (the role LOGIN may not create it: run `GRANT CREATE ON DATABASE DATABASE TO LOGIN`, or let a superuser run `CREATE EXTENSION pg_trgm` in the database DATABASE)");
    let told = unmet(&config, Extension::available("file_fdw")).await.unwrap();
    insta::assert_snapshot!(plain(told), @"extension `file_fdw` (only a superuser may create it, which the role LOGIN is not: let a superuser run `CREATE EXTENSION file_fdw` in the database DATABASE)");
    // A superuser may, and who is one is no matter for one that is installed.
    assert_eq!(unmet(&database.config(), Extension::available("file_fdw")).await, None);
    admin.batch_execute("CREATE EXTENSION file_fdw").await.unwrap();
    assert_eq!(unmet(&config, Extension::available("file_fdw")).await, None);
    let grant = format!("GRANT CREATE ON DATABASE \"{}\" TO \"{login}\"", database.name());
    admin.batch_execute(&grant).await.unwrap();
    assert_eq!(unmet(&config, Extension::available("pg_trgm")).await, None);
    let it_can = admin.batch_execute(&format!("SET ROLE \"{login}\"; CREATE EXTENSION pg_trgm")).await;
    assert!(it_can.is_ok());
    admin.batch_execute("RESET ROLE").await.unwrap();
    forget(&admin, &login).await;
}

#[tokio::test]
async fn a_role_may_or_may_not() {
    let database = database().await;
    let (admin, login, config) = login(&database).await;
    let owner = format!("{login}_owner");
    let sql = format!(
        "CREATE ROLE \"{owner}\"; CREATE TABLE app.orders (id int); ALTER TABLE app.orders OWNER TO \"{owner}\""
    );
    admin.batch_execute(&sql).await.unwrap();
    let on_table = |privilege| Privilege::on_table("app", "orders", privilege);
    let all = [
        Privilege::create_on_database(),
        Privilege::create_on_schema("app"),
        Privilege::set_role(&owner),
        on_table(TablePrivilege::Select),
        on_table(TablePrivilege::Own),
    ];
    let mut told = Vec::new();
    for privilege in &all {
        told.push(unmet(&config, privilege.clone()).await.unwrap());
    }
    let told = told.join("\n").replace(&login, "LOGIN").replace(database.name(), "DATABASE");
    insta::assert_snapshot!(told, @r"
    CREATE on the database (the role LOGIN does not have it: run `GRANT CREATE ON DATABASE DATABASE TO LOGIN`)
    CREATE on the schema `app` (the role LOGIN does not have it: run `GRANT USAGE, CREATE ON SCHEMA app TO LOGIN`)
    SET ROLE to `LOGIN_owner` (the role LOGIN does not have it: run `GRANT LOGIN_owner TO LOGIN`)
    SELECT on `app.orders` (the role LOGIN does not have it: run `GRANT USAGE ON SCHEMA app TO LOGIN; GRANT SELECT ON app.orders TO LOGIN`)
    ownership of `app.orders` (the role LOGIN does not have it: run `GRANT LOGIN_owner TO LOGIN`, or `ALTER TABLE app.orders OWNER TO LOGIN`)
    ");
    // What is told to be run is what it takes.
    for statement in [
        format!("GRANT CREATE ON DATABASE \"{}\" TO \"{login}\"", database.name()),
        format!("GRANT USAGE, CREATE ON SCHEMA app TO \"{login}\""),
        format!("GRANT SELECT ON app.orders TO \"{login}\""),
        format!("GRANT \"{owner}\" TO \"{login}\""),
    ] {
        admin.batch_execute(&statement).await.unwrap();
    }
    for privilege in all {
        assert_eq!(unmet(&config, privilege.clone()).await, None, "{privilege:?}");
    }
    let told = unmet(&config, Privilege::on_table("app", "nothing", TablePrivilege::Insert)).await.unwrap();
    insta::assert_snapshot!(told, @"INSERT on `app.nothing` (there is none of this name: look whether this is the right database)");
    // The role of the migrations counts, not the one that logs in.
    let as_owner = Migrator::new(texts(&["SELECT 1"])).role(Ident::new(owner.as_str()).unwrap());
    let error = dunlin::migrate(&config, NoTls, &as_owner.requires(Privilege::create_on_schema("app"))).await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::Requirement);
    forget(&admin, &login).await;
    admin.batch_execute(&format!("DROP OWNED BY \"{owner}\"; DROP ROLE \"{owner}\"")).await.unwrap();
}

#[tokio::test]
async fn connections_are_free_as_far_as_every_limit_lets_them() {
    let database = database().await;
    let (admin, login, config) = login(&database).await;
    let plain = |text: String| text.replace(&login, "LOGIN").replace(database.name(), "DATABASE");
    assert_eq!(unmet(&config, FreeConnections::at_least(1)).await, None);
    let told = unmet(&config, FreeConnections::at_least(1_000_000)).await.unwrap();
    assert!(told.contains("are free of the server's "), "{told}");
    assert!(told.ends_with(" are reserved: close some, or raise its `max_connections`)"), "{told}");

    admin.batch_execute(&format!("ALTER ROLE \"{login}\" CONNECTION LIMIT 3")).await.unwrap();
    // The run's own is in use.
    assert_eq!(unmet(&config, FreeConnections::at_least(2)).await, None);
    let told = unmet(&config, FreeConnections::at_least(3)).await.unwrap();
    insta::assert_snapshot!(plain(told), @"3 free connections (2 are free of the 3 that the role LOGIN may have: close some, or raise its limit with `ALTER ROLE LOGIN CONNECTION LIMIT`)");
    let limit = format!("ALTER DATABASE \"{}\" CONNECTION LIMIT 3", database.name());
    admin.batch_execute(&limit).await.unwrap();
    // So is the administrator's.
    let told = unmet(&config, FreeConnections::at_least(2)).await.unwrap();
    insta::assert_snapshot!(plain(told), @"2 free connections (1 is free of the 3 that the database DATABASE may have: close some, or raise its limit with `ALTER DATABASE DATABASE CONNECTION LIMIT`)");
    // A superuser is let in beyond both.
    assert_eq!(unmet(&database.config(), FreeConnections::at_least(3)).await, None);
    forget(&admin, &login).await;
}

#[tokio::test]
async fn a_disk_is_looked_at_where_it_can_be() {
    let database = database().await;
    let (admin, login, config) = login(&database).await;
    assert_eq!(unmet(&database.config(), FreeDisk::at_least(1)).await, None);
    let told = unmet(&database.config(), FreeDisk::at_least(1 << 60)).await.unwrap();
    assert!(told.starts_with("1099511627776 MiB of free disk ("), "{told}");
    assert!(told.ends_with(" MiB are free for the server's data directory: give it more space)"), "{told}");
    // Who may not know where the data is can't look.
    assert_eq!(unmet(&config, FreeDisk::at_least(1 << 60)).await, None);
    forget(&admin, &login).await;
}

#[tokio::test]
async fn a_check_asks_as_migrations_would_and_writes_nothing() {
    let database = database().await;
    let client = database.connect().await.unwrap();
    client.batch_execute("CREATE SCHEMA app; CREATE TABLE app.orders AS SELECT 7 AS total").await.unwrap();
    let asks = |sql: &'static str| {
        Check::new("an order", move |cx: &Preflight<'_>| {
            Box::pin(async move {
                let rows = cx.query(sql).await?;
                assert_eq!(rows.len(), 1);
                assert_eq!((cx.plan().steps().len(), cx.migrator().set().len()), (1, 1));
                match rows[0].get(0) {
                    Some("7") => Ok(()),
                    other => Err(format!("the total is {other:?}").into()),
                }
            })
        })
    };
    let migrator = || Migrator::new(texts(&["SELECT 1"])).search_path("app");
    let refused = async |migrator: Migrator| -> String {
        let error: Error = dunlin::migrate(&database.config(), NoTls, &migrator).await.unwrap_err();
        error.unmet().first().unwrap().what().to_owned()
    };
    insta::assert_snapshot!(refused(Migrator::new(texts(&["SELECT 1"])).requires(asks("SELECT total FROM orders"))).await, @r#"PostgreSQL refused a requirement's question: relation "orders" does not exist (SQLSTATE 42P01)"#);
    insta::assert_snapshot!(refused(migrator().requires(asks("DELETE FROM orders"))).await, @"PostgreSQL refused a requirement's question: cannot execute DELETE in a read-only transaction (SQLSTATE 25006)");
    insta::assert_snapshot!(refused(migrator().requires(asks("SELECT total + 1 FROM orders"))).await, @r#"the total is Some("8")"#);
    let secret = asks("SELECT ('secret' || total)::int FROM orders");
    insta::assert_snapshot!(refused(migrator().requires(secret)).await, @r#"PostgreSQL refused a requirement's question: invalid input syntax for type integer: "…" (SQLSTATE 22P02)"#);
    let met = migrator().requires(asks("SELECT total FROM orders"));
    assert_eq!(dunlin::migrate(&database.config(), NoTls, &met).await.unwrap().applied().count(), 1);
}

/// Ends the connection that asks, once.
struct LosesIt(AtomicU32);

#[async_trait::async_trait]
impl Requirement for LosesIt {
    fn name(&self) -> String {
        "a connection".to_owned()
    }

    async fn check(&self, cx: &Preflight<'_>) -> Result<(), BoxError> {
        if self.0.fetch_add(1, Ordering::Relaxed) == 0 {
            cx.query("SELECT pg_terminate_backend(pg_backend_pid())").await?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_connection_that_is_lost_while_it_asks_is_no_unmet_requirement() {
    let database = database().await;
    let counted = Arc::new(AtomicU32::new(0));
    let migrator = Migrator::new(numbered(1))
        .requires(LosesIt(AtomicU32::new(0)))
        .requires(Counts(Arc::clone(&counted)));
    assert_eq!(dunlin::migrate(&database.config(), NoTls, &migrator).await.unwrap().applied().count(), 1);
    assert_eq!(counted.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn requirements_are_asked_behind_a_pooler() {
    let database = database().await;
    let bouncer = PgBouncer::start(&server().await.config(), PoolMode::Transaction, 2).await;
    let migrator = || {
        let migrator = Migrator::new(numbered(2)).pooler(Pooler::Transaction);
        migrator.requires(Privilege::create_on_database()).requires(FreeConnections::at_least(1))
    };
    let config = bouncer.config(database.name());
    let error = dunlin::migrate(&config, NoTls, &migrator().requires(ServerVersion::at_least(99))).await;
    assert_eq!(error.unwrap_err().unmet().len(), 1);
    assert_eq!(dunlin::migrate(&config, NoTls, &migrator()).await.unwrap().applied().count(), 2);
    // Nothing that was set for a question stays with the server connection.
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    let row = client
        .query_one("SELECT current_setting('transaction_read_only'), current_setting('search_path')", &[]);
    let row = row.await.unwrap();
    assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(1)), ("off", "\"$user\", public"));
}
