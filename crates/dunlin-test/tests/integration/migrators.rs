//! Fresh databases of a migrator: what it says beside its set.

use dunlin_core::{
    BoxError, Context, Direct, HistoryTable, Ident, MigrationSet, Migrator, Pooler, RustMigration, Target,
};
use dunlin_test::{ErrorKind, Isolation, Server, TestDatabase};
use tokio_postgres::NoTls;

use crate::{
    fresh::{birds, databases, names},
    starts::own,
};

/// Where a bird is counted.
struct Region(&'static str);

/// Needs to be told the region.
struct FirstBird;

impl RustMigration for FirstBird {
    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        let Region(region) = cx.resource::<Region>().ok_or("no region")?;
        cx.client().execute("INSERT INTO sightings VALUES ('dunlin', $1)", &[region]).await?;
        Ok(())
    }
}

fn sightings() -> MigrationSet {
    MigrationSet::builder()
        .sql(1, "sightings", "CREATE TABLE sightings (bird text, region text)")
        .rust(2, "first_bird", FirstBird)
        .build()
        .unwrap()
}

async fn templates(server: &Server) -> usize {
    databases(server).await.iter().filter(|name| name.starts_with("dunlin_template")).count()
}

#[tokio::test]
async fn a_migration_finds_what_the_migrator_brings() {
    let server = own().await.unwrap();
    let migrator = Migrator::new(sightings()).resource(Region("north"));

    let without = TestDatabase::builder(&sightings()).server(&server).create().await.unwrap_err();
    let database = TestDatabase::builder(&migrator).server(&server).create().await.unwrap();

    assert_eq!(without.kind(), ErrorKind::Migration);
    let mut client = database.connect().await.unwrap();
    assert_eq!(names(&client, "SELECT region FROM sightings").await, ["north"]);
    assert_eq!(migrator.run(&mut client, Target::Latest).await.unwrap().applied().count(), 0);
}

#[tokio::test]
async fn a_migrator_that_makes_what_its_set_makes_shares_the_template() {
    let server = own().await.unwrap();
    let migrator = Migrator::new(birds()).resource(Region("north")).application("birds 1.0");

    TestDatabase::builder(&birds()).server(&server).ahead(0).create().await.unwrap();
    TestDatabase::builder(&migrator).server(&server).ahead(0).create().await.unwrap();

    assert_eq!(templates(&server).await, 1);
}

#[tokio::test]
async fn another_history_role_or_search_path_is_another_template_and_a_boot_has_nothing_to_do() {
    let server = own().await.unwrap();
    let (admin, connection) = server.config().connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    admin.batch_execute("CREATE ROLE keeper SUPERUSER").await.unwrap();
    let migrator = || {
        let set = MigrationSet::builder().sql(1, "app", "CREATE SCHEMA app").sql(
            2,
            "birds",
            "CREATE TABLE birds (name text)",
        );
        Migrator::new(set.build().unwrap())
    };
    let keeper = Ident::new("keeper").unwrap();
    let ops = HistoryTable::new("ops", "history").unwrap();
    let migrators = [
        (migrator(), ["postgres public.birds", "postgres public.dunlin_history"]),
        (migrator().history(ops), ["postgres ops.history", "postgres public.birds"]),
        (migrator().search_path("app"), ["postgres app.birds", "postgres public.dunlin_history"]),
        (migrator().role(keeper), ["keeper public.birds", "keeper public.dunlin_history"]),
    ];

    for (migrator, tables) in &migrators {
        let database = TestDatabase::builder(migrator).server(&server).ahead(0).create().await.unwrap();
        let mut client = database.connect().await.unwrap();
        let made = "SELECT tableowner || ' ' || schemaname || '.' || tablename FROM pg_tables \
                    WHERE tablename ~ '(birds|history)$' ORDER BY 1";
        assert_eq!(names(&client, made).await, tables);
        assert_eq!(migrator.run(&mut client, Target::Latest).await.unwrap().applied().count(), 0);
    }

    assert_eq!(templates(&server).await, migrators.len());
}

#[tokio::test]
async fn a_test_never_migrates_the_database_that_the_service_would() {
    let server = own().await.unwrap();
    let of_the_service = server.create_database().await.unwrap();
    let direct = Direct::new(of_the_service.config(), NoTls);
    let migrator = Migrator::new(birds()).pooler(Pooler::Transaction).direct(direct);

    let builder = TestDatabase::builder(&migrator).at(Target::Version(1)).server(&server);
    let database = builder.clone().create().await.unwrap();
    let schema = builder.isolation(Isolation::Schema).create().await.unwrap();

    for test in [database, schema] {
        let client = test.connect().await.unwrap();
        assert!(names(&client, "SELECT name FROM birds").await.is_empty());
        let config = test.config();
        dunlin_core::migrate(&config, NoTls, &test.migrator(&migrator)).await.unwrap();
        assert_eq!(names(&client, "SELECT name FROM kinds ORDER BY 1").await, ["gull", "wader"]);
    }
    let client = of_the_service.connect().await.unwrap();
    let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'";
    assert_eq!(names(&client, tables).await, [""; 0]);
}

#[tokio::test]
async fn a_test_in_a_schema_migrates_with_what_the_migrator_brings() {
    let server = own().await.unwrap();
    let migrator = Migrator::new(sightings())
        .resource(Region("south"))
        .history(HistoryTable::new("ops", "history").unwrap())
        .search_path("ops");
    let builder = TestDatabase::builder(&migrator).server(&server).isolation(Isolation::Schema);

    let whole = builder.clone().create().await.unwrap();
    let half = builder.at(Target::Version(1)).create().await.unwrap();
    let mut client = half.connect().await.unwrap();
    half.migrator(&migrator).run(&mut client, Target::Latest).await.unwrap();

    for client in [whole.connect().await.unwrap(), client] {
        assert_eq!(names(&client, "SELECT region FROM sightings").await, ["south"]);
    }
}
