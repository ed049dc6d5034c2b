use dunlin::{Ident, Target};
use temporal_periods::{OLD_SCHEMA, PreflightError, Survey, migrator, preflight};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

use crate::support::{causes, filled, number};

/// Adds a role that may create tables, and nothing else; it is named after the database.
async fn crawler(client: &Client, database: &str) -> String {
    let role = format!("crawler_{database}");
    let sql = format!(
        "CREATE ROLE {role}; GRANT ALL ON SCHEMA public TO {role};
        ALTER TABLE topics OWNER TO {role}; ALTER TABLE users OWNER TO {role}; ALTER TABLE contents OWNER TO {role};
        ALTER TABLE tasks OWNER TO {role}; ALTER TABLE chat_messages OWNER TO {role};
        ALTER TABLE dunlin_history OWNER TO {role}; ALTER TABLE dunlin_history_events OWNER TO {role};
        ALTER TABLE dunlin_history_head OWNER TO {role}"
    );
    client.batch_execute(&sql).await.unwrap();
    role
}

#[tokio::test]
async fn a_role_that_may_not_create_extensions_is_told_what_to_do_and_then_may() {
    let (database, client) = filled(10).await;
    let role = crawler(&client, database.name()).await;
    let migrator = migrator().role(Ident::new(role.clone()).unwrap());
    let anonymous = |text: String| text.replace(&role, "crawler").replace(database.name(), "crawls");

    client.batch_execute(&format!("SET ROLE {role}")).await.unwrap();
    let error = preflight(&client).await.unwrap_err();
    client.batch_execute("RESET ROLE").await.unwrap();
    assert!(matches!(error, PreflightError::Denied(_)));
    insta::assert_snapshot!(anonymous(error.to_string()), @"the role crawler may not create the extensions btree_gist and pg_trgm in the database crawls: run `GRANT CREATE ON DATABASE crawls TO crawler`, or let a superuser run `CREATE EXTENSION btree_gist; CREATE EXTENSION pg_trgm` there, and migrate again");

    // Whoever boots without asking is told the same, and nothing has happened.
    let error = dunlin::migrate(&database.config(), NoTls, &migrator).await.unwrap_err();
    insta::assert_snapshot!(anonymous(causes(&error)), @"migration 3 (temporal_tables) failed at migrations/0003_temporal_tables.up.sql:3:1: the role crawler may not create the extensions btree_gist and pg_trgm in the database crawls: run `GRANT CREATE ON DATABASE crawls TO crawler`, or let a superuser run `CREATE EXTENSION btree_gist; CREATE EXTENSION pg_trgm` there, and migrate again (SQLSTATE 42501); nothing of it remains: mend it and run again");
    assert_eq!(number(&client, "SELECT max(version) FROM dunlin_history").await, 2);
    assert_eq!(number(&client, "SELECT count(*) FROM pg_class WHERE relname = 'analysis_periods'").await, 0);

    let grant = format!("GRANT CREATE ON DATABASE {} TO {role}", database.name());
    client.batch_execute(&grant).await.unwrap();
    let report = dunlin::migrate(&database.config(), NoTls, &migrator).await.unwrap();
    assert_eq!(report.applied().count(), 3);
    let report = dunlin::migrate_to(&database.config(), NoTls, &migrator, OLD_SCHEMA).await.unwrap();
    assert_eq!(report.reverted().count(), 3);
    client.batch_execute(&format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}")).await.unwrap();
}

#[tokio::test]
async fn extensions_that_are_there_need_no_privilege() {
    let (database, client) = filled(10).await;
    let role = crawler(&client, database.name()).await;
    client.batch_execute("CREATE EXTENSION pg_trgm; CREATE EXTENSION btree_gist").await.unwrap();
    let migrator = migrator().role(Ident::new(role.clone()).unwrap());

    dunlin::migrate_to(&database.config(), NoTls, &migrator, Target::Latest).await.unwrap();

    assert_eq!(Survey::read(&client).await.unwrap().contents, 10);
    client.batch_execute(&format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}")).await.unwrap();
}

#[tokio::test]
async fn a_server_without_the_contrib_modules_is_told_of() {
    let (_database, client) = filled(10).await;
    // Such a server is rare; an extension that no server has is not.
    let preflight = include_str!("../../src/preflight.sql").replace("pg_trgm", "pg_quadgram");

    let error = client.batch_execute(&preflight).await.unwrap_err();

    assert_eq!(error.code(), Some(&SqlState::FEATURE_NOT_SUPPORTED));
    let text = error.as_db_error().unwrap().message();
    assert!(
        text.starts_with(
            "the server has no extension pg_quadgram to create: install the contrib modules of PostgreSQL 1"
        ),
        "{text}"
    );
    assert!(text.ends_with(" on it, and migrate again"), "{text}");
}
