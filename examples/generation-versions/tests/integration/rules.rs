//! What the database enforces from then on.

use generation_versions::activate;
use tokio_postgres::error::SqlState;

use crate::support::{FEW, Place};

#[tokio::test]
async fn exactly_one_generation_of_a_project_is_active_whoever_tries_what() {
    let place = Place::new(FEW).await;
    let some = "(SELECT id FROM generations WHERE project_id = 'atlas-0' AND NOT is_active LIMIT 1)";
    let other = "(SELECT id FROM generations WHERE project_id <> 'atlas-0' AND is_active LIMIT 1)";
    let tries = [
        (format!("UPDATE generations SET is_active = true WHERE id = {some}"), SqlState::UNIQUE_VIOLATION),
        (
            "UPDATE generations SET is_active = false WHERE project_id = 'atlas-0'".to_owned(),
            SqlState::FOREIGN_KEY_VIOLATION,
        ),
        (
            format!("UPDATE projects SET active_generation_id = {some} WHERE id = 'atlas-0'"),
            SqlState::FOREIGN_KEY_VIOLATION,
        ),
        (
            format!("UPDATE projects SET active_generation_id = {other} WHERE id = 'atlas-0'"),
            SqlState::FOREIGN_KEY_VIOLATION,
        ),
        (
            "UPDATE projects SET active_generation_id = NULL WHERE id = 'atlas-0'".to_owned(),
            SqlState::CHECK_VIOLATION,
        ),
        (
            "WITH none AS (UPDATE generations SET is_active = false WHERE project_id = 'atlas-0') \
             UPDATE projects SET active_generation_id = NULL WHERE id = 'atlas-0'"
                .to_owned(),
            SqlState::CHECK_VIOLATION,
        ),
        (
            "UPDATE generations SET version = 1 WHERE project_id = 'atlas-0'".to_owned(),
            SqlState::UNIQUE_VIOLATION,
        ),
        ("UPDATE generations SET version = 0 WHERE version = 1".to_owned(), SqlState::CHECK_VIOLATION),
        ("UPDATE generations SET version = NULL WHERE version = 1".to_owned(), SqlState::NOT_NULL_VIOLATION),
        (
            "INSERT INTO generations (id, project_id, prompt) VALUES (gen_random_uuid(), 'gone', '')"
                .to_owned(),
            SqlState::FOREIGN_KEY_VIOLATION,
        ),
        ("DELETE FROM projects WHERE id = 'atlas-0'".to_owned(), SqlState::FOREIGN_KEY_VIOLATION),
    ];
    for (sql, code) in tries {
        let error = place.client.batch_execute(&sql).await.unwrap_err();
        assert_eq!(error.code(), Some(&code), "{sql}: {error}");
    }
    place.check().await;
}

#[tokio::test]
async fn another_version_is_made_active_in_the_database_and_under_the_storage_root() {
    let place = Place::new(FEW).await;
    let link = place.root().join("projects/atlas-0/active");
    let before = std::fs::read_link(&link).unwrap();

    activate(&place.storage.hold().unwrap(), &place.client, "atlas-0", 1).await.unwrap();

    place.check().await;
    assert_ne!(std::fs::read_link(&link).unwrap(), before);
    assert!(std::fs::read_link(&link).unwrap().to_str().unwrap().starts_with("generations/v1__"));
    let error = activate(&place.storage.hold().unwrap(), &place.client, "atlas-0", 999).await.unwrap_err();
    insta::assert_snapshot!(error, @r#"project "atlas-0" has no version 999"#);
    place.check().await;
}

#[tokio::test]
async fn the_newest_that_is_left_is_active_and_no_number_is_given_twice() {
    let place = Place::new(FEW).await;
    let latest = "SELECT latest_version::int8 FROM projects WHERE id = 'atlas-0'";
    let active =
        "SELECT coalesce(max(version), 0)::int8 FROM generations WHERE project_id = 'atlas-0' AND is_active";
    let count = place.number(latest).await;
    place
        .client
        .batch_execute("DELETE FROM generations WHERE project_id = 'atlas-0' AND is_active")
        .await
        .unwrap();
    assert_eq!((place.number(latest).await, place.number(active).await), (count, count - 1));

    place.client.batch_execute("DELETE FROM generations WHERE project_id = 'atlas-0'").await.unwrap();
    let none = "SELECT count(*) FROM projects WHERE id = 'atlas-0' AND active_generation_id IS NULL";
    assert_eq!((place.number(latest).await, place.number(none).await), (count, 1));

    let insert = "INSERT INTO generations (id, project_id, prompt) VALUES (gen_random_uuid(), 'atlas-0', '')";
    place.client.batch_execute(insert).await.unwrap();
    assert_eq!((place.number(latest).await, place.number(active).await), (count + 1, count + 1));
}
