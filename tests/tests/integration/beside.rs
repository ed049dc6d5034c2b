//! Connections beside that of a migration.

use dunlin::{
    BoxError, Context, Direct, ErrorKind, Ident, MigrationSet, Migrator, Pooler, RustMigration, Target,
    TransactionMode,
};
use tests::{database, server};
use tokio_postgres::NoTls;

/// Notes what another connection is like.
struct Beside;

impl RustMigration for Beside {
    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        let beside = cx.connect().await?;
        // What this transaction has not committed is not seen there.
        cx.client()
            .batch_execute("CREATE TABLE seen (who text, path text, lock text, others bigint)")
            .await?;
        let sql = "SELECT current_user::text, current_setting('search_path'), current_setting('lock_timeout'), \
                   (SELECT count(*) FROM pg_class WHERE relname = 'seen')";
        let row = beside.query_one(sql, &[]).await?;
        let [who, path, lock]: [String; 3] = [row.get(0), row.get(1), row.get(2)];
        let others: i64 = row.get(3);
        cx.client()
            .execute("INSERT INTO seen VALUES ($1, $2, $3, $4)", &[&who, &path, &lock, &others])
            .await?;
        assert_eq!(cx.migrator().history_table().to_string(), r#""public"."dunlin_history""#);
        Ok(())
    }
}

fn migrator() -> Migrator {
    Migrator::new(MigrationSet::builder().rust(1, "beside", Beside).build().unwrap())
}

#[tokio::test]
async fn a_migration_opens_connections_that_are_set_as_its_own() {
    let database = database().await;
    let client = database.connect().await.unwrap();
    let role = format!("beside_{}", database.name().rsplit_once('_').unwrap().1);
    let make = format!("CREATE ROLE \"{role}\"; GRANT CREATE ON SCHEMA public TO \"{role}\"");
    client.batch_execute(&make).await.unwrap();
    let mut config = database.config();
    config.options("-c lock_timeout=1 -c statement_timeout=60000");
    let owned = migrator().role(Ident::new(role.as_str()).unwrap()).search_path("public, pg_catalog");

    dunlin::migrate(&config, NoTls, &owned).await.unwrap();

    let row = client.query_one("SELECT who, path, lock, others FROM seen", &[]).await.unwrap();
    let seen: [String; 3] = [row.get(0), row.get(1), row.get(2)];
    assert_eq!(seen, [role.as_str(), "public, pg_catalog", "10s"]);
    assert_eq!(row.get::<_, i64>(3), 0);
    client.batch_execute(&format!("DROP OWNED BY \"{role}\"; DROP ROLE \"{role}\"")).await.unwrap();
}

#[tokio::test]
async fn where_no_other_connection_can_be_had_it_is_said() {
    let database = database().await;
    let mut client = database.connect().await.unwrap();
    let error = migrator().run(&mut client, Target::Latest).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap();
    insta::assert_snapshot!(cause, @"migration 1 (beside) wants connections of its own, and this run was given one client: call `dunlin::migrate` or `Migrator::run_through`, which open them");

    let direct = Direct::new(server().await.config(), NoTls);
    let pooled = migrator().pooler(Pooler::Transaction);
    let error = pooled.open(&direct).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    insta::assert_snapshot!(error, @"a session of its own can't be had through a pooler in transaction mode: give the migrator connections that lead to the server itself, with `Migrator::direct`");
    assert!(pooled.direct(direct.clone()).open(&direct).await.is_ok(), "it leads to the server itself");
}

/// Works elsewhere while the connection of the run is ended, once.
struct Elsewhere(std::sync::atomic::AtomicBool);

impl RustMigration for Elsewhere {
    const TRANSACTION: TransactionMode = TransactionMode::None;

    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        if !self.0.swap(true, std::sync::atomic::Ordering::Relaxed) {
            let pid: i32 = cx.client().query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
            let beside = cx.connect().await?;
            beside.execute("SELECT pg_terminate_backend($1, 10000)", &[&pid]).await?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn a_migration_that_works_elsewhere_outlives_the_connection_of_the_run() {
    let database = database().await;
    let set = MigrationSet::builder().rust(1, "elsewhere", Elsewhere(Default::default())).build().unwrap();

    let report = dunlin::migrate(&database.config(), NoTls, &Migrator::new(set)).await.unwrap();

    assert_eq!(report.applied().count(), 1);
}
