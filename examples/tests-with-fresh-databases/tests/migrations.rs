//! What the migrations promise: to the rows that are there already, and of themselves.

use std::error::Error;

use dunlin::{Migrator, Target};
use dunlin_test::{
    BoxError,
    checks::{self, CheckError},
};
use tests_with_fresh_databases::migrations;
use tokio_postgres::{Client, Config, NoTls};

/// A data migration: rows are written at the version before, migrated, and looked at.
#[dunlin::test(migrations = migrations(), at = 3)]
async fn deposits_are_what_they_were_in_cents_and_back(
    client: Client,
    config: Config,
) -> Result<(), BoxError> {
    let insert = "INSERT INTO tools (name, category, deposit)
        VALUES ('awl', 'wood', '0'), ('jigsaw', 'wood', '12.50'), ('lathe', 'metal', '499.99')";
    client.batch_execute(insert).await?;
    let migrator = Migrator::new(migrations());

    dunlin::migrate(&config, NoTls, &migrator).await?;
    let cents: Vec<i32> = column(&client, "SELECT deposit_cents FROM tools ORDER BY id").await?;
    assert_eq!(cents, [0, 1_250, 49_999]);

    dunlin::migrate_to(&config, NoTls, &migrator, Target::Version(3)).await?;
    let deposits: Vec<String> = column(&client, "SELECT deposit FROM tools ORDER BY id").await?;
    assert_eq!(deposits, ["0.00", "12.50", "499.99"]);
    Ok(())
}

/// A migration in Rust: what it can't read stops the boot and stays as it is.
#[dunlin::test(migrations = migrations(), at = 4)]
async fn phone_numbers_are_written_in_one_way(mut client: Client) -> Result<(), BoxError> {
    let insert = "INSERT INTO members (name, email, phone) VALUES
        ('Ada', 'a', '030 / 123 45 67'), ('Grace', 'g', '+1 (202) 555-0123'), ('Emmy', 'e', NULL), ('Kurt', 'k', 'ask me')";
    client.batch_execute(insert).await?;
    let migrator = Migrator::new(migrations());

    let error = migrator.run(&mut client, Target::Version(5)).await.unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "the phone number of member 4 can't be read");
    let phones: Vec<Option<String>> = column(&client, "SELECT phone FROM members ORDER BY id").await?;
    assert_eq!(phones[0].as_deref(), Some("030 / 123 45 67"));

    client.execute("UPDATE members SET phone = '0049-30-7654321' WHERE name = 'Kurt'", &[]).await?;
    migrator.run(&mut client, Target::Version(5)).await?;
    let phones: Vec<Option<String>> = column(&client, "SELECT phone FROM members ORDER BY id").await?;
    let phones: Vec<_> = phones.iter().map(Option::as_deref).collect();
    assert_eq!(phones, [Some("+49301234567"), Some("+12025550123"), None, Some("+49307654321")]);
    Ok(())
}

/// Up, down and up again.
#[dunlin::test]
async fn all_migrations_can_be_taken_back() -> Result<(), CheckError> {
    checks::round_trip(&migrations()).await?;
    Ok(())
}

/// Each alone: a down that leaves something behind is named, with what it leaves.
#[dunlin::test]
async fn each_migration_can_be_taken_back() -> Result<(), CheckError> {
    checks::each_step(&migrations()).await?;
    Ok(())
}

/// A schema to read in one piece, which can't become stale. README.md says how it is written.
#[dunlin::test]
async fn the_schema_is_the_committed_one() -> Result<(), CheckError> {
    checks::matches(&migrations(), include_str!("../schema.sql")).await?;
    Ok(())
}

#[dunlin::test]
async fn eight_replicas_can_boot_at_once() -> Result<(), CheckError> {
    checks::concurrent_boot(&migrations(), 8).await?;
    Ok(())
}

/// The only column of a query.
async fn column<T>(client: &Client, query: &str) -> Result<Vec<T>, tokio_postgres::Error>
where
    T: for<'a> tokio_postgres::types::FromSql<'a>,
{
    client.query(query, &[]).await?.iter().map(|row| row.try_get(0)).collect()
}
