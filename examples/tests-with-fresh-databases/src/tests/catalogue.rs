use rstest::rstest;
use tokio_postgres::Client;

use crate::{Desk, DeskError, migrations};

/// Many rows, and many of them of one name.
#[dunlin::test(migrations = migrations())]
async fn page_by_page_each_tool_is_seen_once(desk: Desk, client: Client) -> Result<(), DeskError> {
    let many = "INSERT INTO tools (name, category, deposit_cents)
        SELECT 'hammer ' || n % 7, 'wood', n FROM generate_series(1, 1000) n";
    client.execute(many, &[]).await?;

    let (mut seen, mut pages) = (Vec::new(), 0);
    loop {
        let page = desk.catalogue(seen.last(), 64).await?;
        if page.is_empty() {
            break;
        }
        pages += 1;
        seen.extend(page);
    }

    assert!(seen.is_sorted_by(|a, b| (&a.name, a.id) < (&b.name, b.id)), "none is seen twice");
    assert_eq!((seen.len(), pages), (1_000, 16));
    Ok(())
}

/// The rows that a migration brings, and cases of rstest: each has a database of its own.
#[rstest]
#[case("garden", 7)]
#[case("kitchen", 3)]
#[case("metal", 14)]
#[case("wood", 14)]
#[dunlin::test(migrations = migrations())]
async fn a_category_says_for_how_long(#[ignore] client: Client, #[case] category: &str, #[case] days: i32) {
    let select = "SELECT loan_days FROM categories WHERE name = $1";
    let found: i32 = client.query_one(select, &[&category]).await.unwrap().get(0);
    assert_eq!(found, days);
}

#[dunlin::test(migrations = migrations())]
async fn a_deposit_is_neither_a_debt_nor_a_fortune(desk: Desk) -> Result<(), DeskError> {
    for deposit in [0, 50_000] {
        desk.add("hammer", "wood", deposit).await?;
    }
    for deposit in [-1, 50_001] {
        let refusal = desk.add("hammer", "wood", deposit).await.unwrap_err();
        assert!(matches!(refusal, DeskError::DepositOutOfRange), "{refusal}");
    }
    Ok(())
}

/// The panic that is expected is a pass: nothing is kept.
#[dunlin::test(migrations = migrations())]
#[should_panic(expected = "NoSuchCategory")]
async fn a_tool_without_a_shelf_is_not_put_away(desk: Desk) {
    desk.add("anchor", "boats", 0).await.unwrap();
}

/// A release of the service has to bear the schema of the next one. After DDL a database is thrown away, and no other test sees it.
#[dunlin::test(migrations = migrations())]
async fn a_column_of_the_next_release_does_no_harm(desk: Desk, client: Client) -> Result<(), DeskError> {
    client.batch_execute("ALTER TABLE tools ADD colour text NOT NULL DEFAULT 'grey'").await?;

    let hammer = desk.add("hammer", "wood", 500).await?;

    assert_eq!(desk.catalogue(None, 10).await?, [hammer]);
    Ok(())
}
