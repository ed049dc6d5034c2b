//! What the migrations promise, to each other and to the rows that are there.

use axum_service::Release;
use dunlin::{BoxError, Migrator, State, Target};
use dunlin_test::checks::{self, CheckError};
use tokio_postgres::{Client, Config, NoTls};

use crate::support::column;

/// The schema of all releases together, with nothing in it.
fn all() -> dunlin::MigrationSet {
    Release::Three.migrations()
}

#[dunlin::test]
async fn all_migrations_can_be_taken_back() -> Result<(), CheckError> {
    checks::round_trip(&all()).await?;
    Ok(())
}

#[dunlin::test]
async fn each_migration_can_be_taken_back() -> Result<(), CheckError> {
    checks::each_step(&all()).await?;
    Ok(())
}

#[dunlin::test]
async fn the_schema_is_the_committed_one() -> Result<(), CheckError> {
    checks::matches(&all(), include_str!("../../schema.sql")).await?;
    Ok(())
}

#[test]
fn a_release_is_the_beginning_of_the_next() {
    let versions = |release: Release| -> Vec<i64> {
        release.migrations().iter().map(|migration| migration.id().version()).collect()
    };
    assert_eq!(versions(Release::One), [1, 2, 3, 4]);
    assert_eq!(versions(Release::Two), (1..=8).collect::<Vec<_>>());
    assert_eq!(versions(Release::Three), (1..=11).collect::<Vec<_>>());
}

/// A verify script has to hold as long as its migration is applied, and not only on the day on which it was.
#[dunlin::test(migrations = Release::One.migrations())]
async fn each_release_verifies_what_all_before_it_have_brought(
    mut client: Client,
    config: Config,
) -> Result<(), BoxError> {
    for release in [Release::One, Release::Two, Release::Three] {
        let migrator = Migrator::new(release.migrations());
        dunlin::migrate(&config, NoTls, &migrator).await?;
        migrator.finish_backfills(&dunlin::Direct::new(config.clone(), NoTls)).await?;
        let verification = migrator.verify(&mut client).await?;
        assert!(verification.to_string().contains("verified"), "{verification}");
        assert_eq!(migrator.status(&client).await?.state(), State::Current);
    }
    Ok(())
}

#[dunlin::test(migrations = Release::One.migrations())]
async fn words_are_counted_before_they_have_to_be_there(
    client: Client,
    config: Config,
) -> Result<(), BoxError> {
    let told = "INSERT INTO conversations (title) VALUES ('birds') RETURNING id";
    let id: uuid::Uuid = client.query_one(told, &[]).await?.get(0);
    let say =
        "INSERT INTO utterances (conversation_id, position, speaker, content) VALUES ($1, $2, 'Ada', $3)";
    client.execute(say, &[&id, &1, &"Dunlins don't sing."]).await?;

    // Release 2 leaves the counting for later.
    dunlin::migrate(&config, NoTls, &Release::Two.migrator("a")).await?;
    let words = "SELECT words FROM utterances ORDER BY position";
    assert_eq!(column::<Option<i32>>(&client, words).await?, [None]);
    Release::Two.migrator("a").finish_backfills(&dunlin::Direct::new(config.clone(), NoTls)).await?;
    assert_eq!(column::<Option<i32>>(&client, words).await?, [Some(3)]);

    // Release 1 has gone on.
    client.execute(say, &[&id, &2, &"They trill."]).await?;
    client.execute("UPDATE utterances SET content = 'Dunlins' WHERE position = 1", &[]).await?;
    assert_eq!(column::<Option<i32>>(&client, words).await?, [Some(-1), Some(-1)]);

    // Release 3 can't do without.
    dunlin::migrate(&config, NoTls, &Release::Three.migrator("a")).await?;
    assert_eq!(column::<Option<i32>>(&client, words).await?, [Some(1), Some(2)]);
    Ok(())
}

/// What release 1 searches in is gone, and comes back.
#[dunlin::test(migrations = Release::Three.migrations())]
async fn after_the_contract_there_is_a_way_back_for_the_schema(
    client: Client,
    config: Config,
) -> Result<(), BoxError> {
    let columns = "SELECT attname::text FROM pg_attribute
        WHERE attrelid = 'utterances'::regclass AND attname IN ('search', 'words')";
    assert_eq!(column::<String>(&client, columns).await?, ["words"]);
    let back = Target::Version(Release::One.last_migration());
    dunlin::migrate_to(&config, NoTls, &Release::Three.migrator("a"), back).await?;
    assert_eq!(column::<String>(&client, columns).await?, ["search"]);
    Ok(())
}
