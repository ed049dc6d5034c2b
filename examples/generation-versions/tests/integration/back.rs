use std::fs;

use dunlin_test::Schema;
use generation_versions::{Checks, OldProgram, Orphans, Rollback, Tree};
use serde_json::json;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::support::{FEW, Place};

/// The definition of all tables but those of the library.
async fn schema(client: &Client) -> String {
    let schema = Schema::read(client).await.unwrap();
    let ours = schema.objects().iter().filter(|object| !object.name().contains("dunlin_"));
    ours.map(|object| format!("{object:?}\n")).collect()
}

#[tokio::test]
async fn both_leave_schema_rows_and_files_as_they_were_byte_for_byte() {
    let place = Place::old(FEW).await;
    let before = (schema(&place.client).await, place.rows().await, place.files());
    place.migrate(Orphans::Archive).await.unwrap();
    assert_ne!(schema(&place.client).await, before.0);
    let moved = place.files();

    place.roll_back(Rollback::Both).await;

    assert_eq!(schema(&place.client).await, before.0);
    assert_eq!((place.rows().await, place.files()), (before.1, before.2));
    place.migrate(Orphans::Archive).await.unwrap();
    assert_eq!(place.files(), moved);
    place.check().await;
}

#[tokio::test]
async fn the_files_alone_lie_flat_while_the_database_has_versions() {
    let place = Place::old(FEW).await;
    let before = place.files();
    place.migrate(Orphans::Archive).await.unwrap();
    let moved = place.files();

    place.roll_back(Rollback::Files).await;

    assert_eq!(place.files(), before);
    assert_eq!(place.number("SELECT count(*) FROM generations WHERE storage_path IS NOT NULL").await, 0);
    assert_eq!(place.number("SELECT count(*) FROM generations WHERE version IS NULL").await, 0);
    place.migrate(Orphans::Archive).await.unwrap();
    assert_eq!(place.files(), moved);
    place.check().await;
}

#[tokio::test]
async fn the_database_alone_leaves_the_files_and_the_next_migration_adopts_them() {
    let place = Place::old(FEW).await;
    let before = (schema(&place.client).await, place.rows().await);
    place.migrate(Orphans::Archive).await.unwrap();
    let moved = place.files();

    place.roll_back(Rollback::Database).await;

    assert_eq!(schema(&place.client).await, before.0);
    assert_eq!((place.rows().await, place.files()), (before.1, moved.clone()));
    place.migrate(Orphans::Archive).await.unwrap();
    assert_eq!(place.files(), moved);
    place.check().await;
}

#[tokio::test]
async fn the_database_alone_and_then_the_files_is_both_and_so_it_is_the_other_way_round() {
    for order in [[Rollback::Database, Rollback::Files], [Rollback::Files, Rollback::Database]] {
        let place = Place::old(FEW).await;
        let before = (schema(&place.client).await, place.rows().await, place.files());
        place.migrate(Orphans::Archive).await.unwrap();
        for rollback in order {
            place.roll_back(rollback).await;
        }
        let after = (schema(&place.client).await, place.rows().await, place.files());
        assert!(after == before, "{order:?}");
        place.roll_back(Rollback::Both).await;
        assert_eq!(place.files(), before.2);
    }
}

#[tokio::test]
async fn folders_get_other_numbers_when_the_old_program_went_on_meanwhile() {
    let place = Place::new(FEW).await;
    place.roll_back(Rollback::Database).await;
    // The oldest of a project is gone, so all others count one less; and there is a new one, whose files are flat.
    let delete = "DELETE FROM generations WHERE project_id = 'atlas-0' AND created_at
        = (SELECT min(created_at) FROM generations WHERE project_id = 'atlas-0') RETURNING id";
    let gone: Uuid = place.client.query_one(delete, &[]).await.unwrap().get(0);
    let files = [("_page.html".to_owned(), "<p>new</p>".to_owned())];
    let id = Uuid::from_u128(77);
    let program = OldProgram::new(place.root());
    program.generate(&place.client, id, "atlas-0", "New.", &json!({}), &files).await.unwrap();

    place.migrate(Orphans::Archive).await.unwrap();

    let checks = Checks::run(&place.client, &place.storage).await.unwrap();
    let wrong: Vec<_> = checks.all().iter().filter(|check| check.wrong > 0).collect();
    assert_eq!((wrong.len(), wrong[0].name, wrong[0].wrong), (1, "folders have a generation", 1), "{checks}");
    fs::remove_dir_all(Tree::read(&place.storage).unwrap().folder(gone).unwrap()).unwrap();
    place.check().await;
    let moved: String = place
        .client
        .query_one("SELECT storage_path FROM generations WHERE id = $1", &[&id])
        .await
        .unwrap()
        .get(0);
    assert_eq!(
        fs::read_to_string(place.root().join(moved).join(format!("{id}_page.html"))).unwrap(),
        "<p>new</p>"
    );
}
