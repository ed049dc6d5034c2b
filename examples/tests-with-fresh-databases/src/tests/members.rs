use tokio_postgres::{Client, error::SqlState};

use crate::{Desk, DeskError, migrations};

/// A type of one's own as an argument, and `?`.
#[dunlin::test(migrations = migrations())]
async fn a_member_joins_is_renamed_and_leaves(desk: Desk) -> Result<(), DeskError> {
    let ada = desk.join("Ada", "ada@example.org").await?;
    assert_eq!(desk.member(ada.id).await?, ada);

    desk.rename(ada.id, "Countess Lovelace").await?;
    assert_eq!(desk.member(ada.id).await?.name, "Countess Lovelace");

    desk.leave(ada.id).await?;
    assert!(matches!(desk.member(ada.id).await, Err(DeskError::NoSuchMember)));
    Ok(())
}

/// Sequences are as new, whoever has had the database before.
#[dunlin::test(migrations = migrations())]
async fn the_first_member_has_number_one(desk: Desk) -> Result<(), DeskError> {
    assert_eq!(desk.join("Ada", "ada@example.org").await?.id, 1);
    Ok(())
}

/// The test above takes the same address and the same number at the same time.
#[dunlin::test(migrations = migrations())]
async fn an_address_is_one_members_however_it_is_spelled(desk: Desk) -> Result<(), DeskError> {
    assert_eq!(desk.join("Ada", "ada@example.org").await?.id, 1);

    let refusal = desk.join("Somebody else", "ADA@example.org").await.unwrap_err();

    assert!(matches!(refusal, DeskError::EmailTaken), "{refusal}");
    Ok(())
}

/// A rule that the program never breaks: SQL can.
#[dunlin::test(migrations = migrations())]
async fn nobody_is_without_a_name(client: Client) {
    let insert = "INSERT INTO members (name, email) VALUES ('', 'nobody@example.org')";

    let error = client.execute(insert, &[]).await.unwrap_err();

    assert_eq!(error.code(), Some(&SqlState::CHECK_VIOLATION));
    assert_eq!(error.as_db_error().unwrap().constraint(), Some("members_have_a_name"));
}

#[dunlin::test(migrations = migrations())]
async fn who_has_borrowed_stays_in_the_books(desk: Desk) -> Result<(), DeskError> {
    let ada = desk.join("Ada", "ada@example.org").await?;
    let sander = desk.add("belt sander", "wood", 4_000).await?;
    desk.lend(ada.id, &[sander.id]).await?;
    desk.take_back(sander.id).await?;

    assert!(matches!(desk.leave(ada.id).await, Err(DeskError::HasBorrowed)));
    assert_eq!(desk.member(ada.id).await?, ada);
    Ok(())
}
