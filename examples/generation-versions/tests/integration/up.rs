use std::fs;

use dunlin::ErrorKind;
use dunlin_test::checks;
use generation_versions::{Manifest, Orphans, Reason, Seed, Tree, compare, migrator, project_folder};
use uuid::Uuid;

use crate::support::{FEW, Item, Place};

#[tokio::test]
async fn all_is_where_it_should_be_and_then_there_is_nothing_to_do() {
    let place = Place::old(Seed { seed: 1, projects: 14, generations: 300 }).await;
    let before = place.files();

    let report = place.migrate(Orphans::Archive).await.unwrap();

    assert_eq!(report.applied().count(), 8);
    place.check().await;
    let after = place.files();
    let names = |name: &str| name.rsplit('/').next().unwrap().to_owned();
    let manifests = after.keys().filter(|name| name.ends_with("/manifest.json")).count();
    assert_eq!(u64::try_from(manifests).unwrap(), 300 - place.sown.orphans);
    for (name, item) in &before {
        let copies: Vec<_> = after.iter().filter(|(other, _)| names(other) == *name).collect();
        assert_eq!(copies.len(), 1, "{name}: {copies:?}");
        assert_eq!(copies[0].1, item, "{name}");
    }
    // What is nobody's lies where it lay, and so does what is of an orphan.
    let flat = after.iter().filter(|(name, item)| !name.contains('/') && **item != Item::Folder).count();
    assert_eq!(u64::try_from(flat).unwrap(), place.sown.unowned);

    let again = place.migrate(Orphans::Refuse).await.unwrap();
    assert_eq!((again.applied().count(), again.flights()), (0, 1));
    assert_eq!(place.files(), after);
}

#[tokio::test]
async fn versions_count_in_the_order_of_creation_and_the_newest_is_active() {
    let place = Place::new(FEW).await;
    let wrong = "SELECT count(*) FROM (SELECT version, is_active,
            row_number() OVER (PARTITION BY project_id ORDER BY created_at, id) AS number,
            count(*) OVER (PARTITION BY project_id) AS count FROM generations) AS g
        WHERE version IS DISTINCT FROM number OR is_active <> (number = count)";
    assert_eq!(place.number(wrong).await, 0);
    let latest = "SELECT count(*) FROM projects WHERE latest_version
        <> (SELECT count(*) FROM generations WHERE project_id = projects.id)";
    assert_eq!(place.number(latest).await, 0);
}

#[tokio::test]
async fn orphans_are_named_before_anything_runs_and_archived_when_that_is_said() {
    let place = Place::old(FEW).await;
    let (rows, files) = (place.rows().await, place.files());
    let orphan: Uuid = place
        .client
        .query_one("SELECT id FROM generations WHERE project_id LIKE 'deleted-%'", &[])
        .await
        .unwrap()
        .get(0);

    let error = place.migrate(Orphans::Refuse).await.unwrap_err();

    assert_eq!((error.kind(), error.migration().unwrap().version()), (ErrorKind::Migration, 2));
    let text = error.to_string();
    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    let expected = format!("orphans: the project of 1 of 26 generations is gone ({orphan}): create it");
    assert!(text.contains(&expected) || cause.contains(&expected), "{text}\n{cause}");
    assert_eq!((place.rows().await, place.files()), (rows, files));
    assert_eq!(place.number("SELECT count(*) FROM dunlin_history WHERE version > 1").await, 0);

    place.migrate(Orphans::Archive).await.unwrap();
    assert_eq!(place.number("SELECT count(*) FROM orphaned_generations").await, 1);
    assert_eq!(place.number("SELECT count(*) FROM generations").await, 25);
}

#[tokio::test]
async fn a_manifest_says_what_a_version_was_made_of_and_what_is_missing() {
    let place = Place::new(FEW).await;
    let lost = "SELECT id FROM generations WHERE array_to_string(files, ' ') LIKE '%_lost.png%'";
    let outside = "SELECT id FROM generations WHERE '../outside.txt' = ANY (files)";
    let tree = Tree::read(&place.storage).unwrap();
    for (sql, reason) in [(lost, Reason::NotThere), (outside, Reason::NotItsOwn)] {
        let id: Uuid = place.client.query_one(sql, &[]).await.unwrap().get(0);
        let manifest = Manifest::read(tree.folder(id).unwrap()).unwrap().unwrap();
        assert_eq!(manifest.generation, id);
        let missing: Vec<_> = manifest.missing.iter().map(|missing| missing.reason).collect();
        assert_eq!(missing, [reason]);
        assert!(manifest.files.iter().any(|file| file.name == format!("{id}.html") && file.bytes > 0));
    }
}

#[tokio::test]
async fn an_id_of_a_project_never_leads_out_of_its_place() {
    let place = Place::old(Seed { seed: 5, projects: 9, generations: 120 }).await;
    place.migrate(Orphans::Archive).await.unwrap();
    let above = place.folder.path().parent().unwrap();
    assert!(!above.join("outside").exists());
    for id in ["../outside", "..", "acme/web", "naïve café", "a%2Fb", " ", ".hidden", "line\nbreak"] {
        let folder = place.root().join("projects").join(project_folder(id));
        assert!(folder.join("active").join("manifest.json").is_file(), "{id:?}");
    }
    let folders = fs::read_dir(place.root().join("projects")).unwrap().count();
    assert_eq!(folders, 9);
}

#[tokio::test]
async fn two_versions_are_compared_by_their_manifests() {
    let place = Place::new(FEW).await;
    let comparison = compare(&place.storage, "atlas-0", (1, 2)).unwrap();
    insta::assert_snapshot!(comparison, @r#"
    version 1 against 2
    prompt       "Make a price list, dense." -> "Make a price list, bright."
    size.width   1280 -> 960
    temperature  0.9 -> 1.0
    .html        53 bytes c94724d7 -> 54 bytes 3d1850b7
    4 differences, 0 files the same
    "#);
    assert!(compare(&place.storage, "atlas-0", (1, 1)).unwrap().values.is_empty());
    let error = compare(&place.storage, "../outside", (1, 999)).unwrap_err();
    insta::assert_snapshot!(error, @r#"project "../outside" has no version 999"#);
}

#[tokio::test]
async fn each_migration_can_be_taken_back_and_applied_again() {
    let folder = tempfile::tempdir().unwrap();
    let storage = generation_versions::Storage::open(folder.path()).unwrap();
    let checked = checks::each_step(&migrator(&storage, Orphans::Refuse)).await.unwrap();
    assert_eq!((checked.checked().len(), checked.skipped().len()), (8, 1));
}
