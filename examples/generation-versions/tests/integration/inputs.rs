//! What nobody has expected to lie there.

use std::{fs, os::unix::fs::symlink};

use dunlin::ErrorKind;
use generation_versions::{
    Error, Manifest, Orphans, Preflight, Reason, Rollback, Storage, Tree, flatten, migrator, sweep,
};
use uuid::Uuid;

use crate::support::{FEW, Place};

/// An error and its causes, with names that are not the same each time left out.
fn text(error: &(dyn std::error::Error + 'static), place: &Place) -> String {
    let mut text = error.to_string();
    let mut error = error;
    while let Some(source) = error.source() {
        text.push_str(&format!("\n{source}"));
        error = source;
    }
    text.replace(place.root().to_str().unwrap(), "/root")
}

#[tokio::test]
async fn a_root_that_is_not_there_or_no_folder_is_named() {
    let place = Place::old(FEW).await;
    let error = Storage::open(place.root().join("nowhere")).unwrap_err();
    insta::assert_snapshot!(text(&error, &place), @r#"
    storage root "/root/nowhere" can't be opened: create it, or mount what belongs there
    No such file or directory (os error 2)
    "#);
    let error = Storage::open(place.root().join("readme.txt")).unwrap_err();
    insta::assert_snapshot!(text(&error, &place), @r#"storage root "/root/readme.txt" is no folder: name the folder that the flat files are in"#);
    assert_eq!(place.migrate(Orphans::Archive).await.unwrap().applied().count(), 8);
}

/// Where everybody may do anything a folder that can't be written to is one of the kernel's.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_root_that_can_not_be_written_to_is_found_out_before_anything_runs() {
    let mut place = Place::old(FEW).await;
    let rows = place.rows().await;
    place.storage = Storage::open("/sys").unwrap();
    let error = place.migrate(Orphans::Archive).await.unwrap_err();
    let text = text(&error, &place);
    assert!(text.contains("storage root \"/root\" can't be written to"), "{text}");
    assert_eq!(error.migration().unwrap().version(), 2);
    assert_eq!(place.rows().await, rows);
    assert!(matches!(place.storage.hold(), Err(Error::ReadOnly(..))));
}

#[tokio::test]
async fn a_root_without_one_of_the_files_is_taken_for_another() {
    let mut place = Place::old(FEW).await;
    let empty = tempfile::tempdir().unwrap();
    place.storage = Storage::open(empty.path()).unwrap();
    let error = place.migrate(Orphans::Archive).await.unwrap_err();
    let text = text(&error, &place);
    assert!(text.contains("none of the 45 files that generations name is there"), "{text}");
}

#[tokio::test]
async fn a_root_that_somebody_holds_is_not_touched() {
    let place = Place::flat(FEW).await;
    let (held, before) = (place.storage.hold().unwrap(), place.files());
    let error = place.migrate(Orphans::Archive).await.unwrap_err();
    let text = text(&error, &place);
    assert!(text.contains("storage root \"/root\" is held by another run"), "{text}");
    assert_eq!(place.files(), before);
    drop(held);
    place.migrate(Orphans::Archive).await.unwrap();
    place.check().await;
}

#[tokio::test]
async fn two_runs_at_once_move_each_file_once() {
    let place = Place::old(FEW).await;
    let (one, two) = tokio::join!(place.migrate(Orphans::Archive), place.migrate(Orphans::Archive));
    assert_eq!(one.unwrap().applied().count() + two.unwrap().applied().count(), 8);
    place.check().await;
}

#[tokio::test]
async fn what_the_preflight_counts_is_what_there_is() {
    let place = Place::old(FEW).await;
    let preflight = Preflight::look(&place.client, &place.storage).await.unwrap();
    let sown = place.sown;
    assert_eq!((preflight.generations, preflight.orphans), (26, sown.orphans));
    assert_eq!((preflight.files, preflight.missing), (sown.files, sown.missing));
    assert_eq!((preflight.not_its_own, preflight.unowned), (sown.not_its_own, sown.unowned));
    insta::assert_snapshot!(preflight, @"
    orphans         1 of 26 generations (119bdfbe-a162-41b7-a044-3b7fdc536719)
    files found     44 of 45
    missing         1, to be noted in manifests (7f258255-18dd-4b92-b0de-719bed401b38)
    no file names   1, to be noted in manifests
    nobody's files  4, which stay where they are
    ");
    place.migrate(Orphans::Archive).await.unwrap();
    let after = Preflight::look(&place.client, &place.storage).await.unwrap();
    assert_eq!((after.orphans, after.files, after.missing), (0, sown.files, sown.missing));
}

#[tokio::test]
async fn links_folders_and_paths_in_place_of_files_are_noted_and_left_alone() {
    let place = Place::flat(FEW).await;
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret.txt");
    fs::write(&secret, "secret").unwrap();
    let id = Uuid::from_u128(9);
    let names = [
        format!("{id}.link"),
        format!("{id}.folder"),
        format!("{id}/../../secret.txt"),
        secret.to_str().unwrap().to_owned(),
        "manifest.json".to_owned(),
        String::new(),
        format!("{id}.{}", "x".repeat(300)),
        format!("{id}_real\u{1f600}.txt"),
        format!("{id}_real\u{1f600}.txt"),
    ];
    symlink(&secret, place.root().join(&names[0])).unwrap();
    fs::create_dir(place.root().join(&names[1])).unwrap();
    fs::write(place.root().join(&names[7]), "real").unwrap();
    let insert = "INSERT INTO generations (id, project_id, prompt, files) VALUES ($1, 'atlas-0', 'Odd.', $2)";
    place.client.execute(insert, &[&id, &names.to_vec()]).await.unwrap();

    place.migrate(Orphans::Archive).await.unwrap();

    place.check().await;
    let folder = Tree::read(&place.storage).unwrap().folder(id).unwrap().to_owned();
    let manifest = Manifest::read(&folder).unwrap().unwrap();
    let reasons: Vec<_> = manifest.missing.iter().map(|missing| missing.reason).collect();
    assert_eq!(reasons[..2], [Reason::NoFile; 2]);
    assert_eq!(reasons[2..], [Reason::NotItsOwn; 5]);
    assert_eq!(manifest.files.len(), 1);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    assert_eq!(fs::read_to_string(&secret).unwrap(), "secret");
    assert!(place.root().join(&names[0]).is_symlink() && place.root().join(&names[1]).is_dir());
}

#[tokio::test]
async fn what_people_have_put_into_folders_stops_the_way_back_before_anything_is_lost() {
    let place = Place::new(FEW).await;
    let id: Uuid =
        place.client.query_one("SELECT id FROM generations ORDER BY id LIMIT 1", &[]).await.unwrap().get(0);
    let folder = Tree::read(&place.storage).unwrap().folder(id).unwrap().to_owned();
    let back = async || flatten(&place.storage.hold().unwrap(), &place.client, &|_, _| ()).await;
    let named = |error: Error| text(&error, &place).replace(&id.to_string(), "{id}");

    fs::write(folder.join("todo.txt"), "mine").unwrap();
    insta::assert_snapshot!(named(back().await.unwrap_err()).split("/v").next().unwrap(), @r#""/root/projects/%2E.%2Foutside/generations"#);
    assert_eq!(fs::read_to_string(folder.join("todo.txt")).unwrap(), "mine");
    fs::remove_file(folder.join("todo.txt")).unwrap();

    fs::write(place.root().join(format!("{id}.html")), "another").unwrap();
    insta::assert_snapshot!(named(back().await.unwrap_err()).split(", and").next().unwrap(), @r#""/root/{id}.html" is there already"#);
    assert!(folder.join(format!("{id}.html")).is_file());
    fs::remove_file(place.root().join(format!("{id}.html"))).unwrap();

    back().await.unwrap();
    assert!(!place.root().join("projects").exists());
}

#[tokio::test]
async fn folders_that_are_not_what_they_should_be_are_named() {
    let place = Place::new(FEW).await;
    let again = async || {
        place.client.batch_execute("UPDATE generations SET storage_path = NULL").await.unwrap();
        sweep(&place.storage.hold().unwrap(), &place.client, &|_, _| ()).await
    };
    let row = place
        .client
        .query_one("SELECT id, storage_path FROM generations ORDER BY id LIMIT 1", &[])
        .await
        .unwrap();
    let (id, path): (Uuid, String) = (row.get(0), row.get(1));
    let named = |error: Error| text(&error, &place).replace(&path, "{path}").replace(&id.to_string(), "{id}");
    let folder = place.root().join(&path);
    let file = folder.join(format!("{id}.html"));
    let content = fs::read(&file).unwrap();

    fs::write(&file, "half").unwrap();
    insta::assert_snapshot!(named(again().await.unwrap_err()), @r#""/root/{path}/{id}.html" has not the size that its manifest says: restore the file"#);
    fs::write(&file, content).unwrap();

    let manifest = fs::read(folder.join("manifest.json")).unwrap();
    fs::write(folder.join("manifest.json"), "{").unwrap();
    insta::assert_snapshot!(named(again().await.unwrap_err()), @r#"
    "/root/{path}/manifest.json" is no manifest of this program: restore it, or move its folder out of the storage root
    EOF while parsing an object at line 1 column 1
    "#);
    fs::write(folder.join("manifest.json"), manifest).unwrap();

    let copy = folder.with_file_name(format!("v999__{id}"));
    fs::create_dir(&copy).unwrap();
    assert!(named(again().await.unwrap_err()).starts_with("generation {id} has two folders"));
    fs::remove_dir(&copy).unwrap();

    let link = folder.parent().unwrap().with_file_name("active");
    fs::remove_file(&link).unwrap();
    fs::create_dir(&link).unwrap();
    assert!(named(again().await.unwrap_err()).contains("/active\" is no symbolic link"));
    fs::remove_dir(&link).unwrap();

    let report = again().await.unwrap();
    assert_eq!((report.moved, report.adopted), (0, 25));
    place.check().await;
}

#[tokio::test]
async fn a_folder_that_is_gone_is_what_verify_and_the_way_back_tell() {
    let place = Place::flat(FEW).await;
    let flat = place.files();
    place.migrate(Orphans::Archive).await.unwrap();
    let first = "SELECT storage_path FROM generations ORDER BY id LIMIT 1";
    let path: String = place.client.query_one(first, &[]).await.unwrap().get(0);
    let (folder, away) = (place.root().join(&path), place.root().join("away"));
    fs::rename(&folder, &away).unwrap();
    let back = async || flatten(&place.storage.hold().unwrap(), &place.client, &|_, _| ()).await;
    let named = |error: Error| text(&error, &place).replace(&path, "{path}");

    let tree = Tree::read(&place.storage).unwrap();
    insta::assert_snapshot!(named(tree.verify(&place.client).await.unwrap_err()), @r#"folders of generations that are not where the database has them: 1, the first is "{path}": restore them"#);
    let mut client = place.database.connect().await.unwrap();
    let error = migrator(&place.storage, Orphans::Refuse).verify(&mut client).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Verify);
    assert!(error.to_string().contains("9 (move_files)"), "{error}");
    assert!(matches!(back().await, Err(Error::Gone { count: 1, .. })));

    fs::create_dir_all(folder.parent().unwrap()).unwrap();
    fs::rename(&away, &folder).unwrap();
    back().await.unwrap();
    assert_eq!(place.files(), flat);
}

/// A file on one disk can't have a second name on another: it is copied.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_folders_may_be_on_another_disk() {
    let Ok(memory) = tempfile::tempdir_in("/dev/shm") else { return };
    let place = Place::old(FEW).await;
    symlink(memory.path(), place.root().join("projects")).unwrap();
    let modified = || {
        let names = place.files().into_keys().filter(|name| name.ends_with(".html"));
        names
            .map(|name| fs::metadata(place.root().join(name)).unwrap().modified().unwrap())
            .collect::<Vec<_>>()
    };
    let (flat, before) = (place.files(), modified());

    place.migrate(Orphans::Archive).await.unwrap();

    place.check().await;
    assert_eq!(Tree::read(&place.storage).unwrap().len(), 25);
    place.roll_back(Rollback::Both).await;
    assert!(place.files() == flat, "{:?}", place.files().keys());
    assert_eq!(modified(), before);
    assert_eq!(fs::read_dir(memory.path()).unwrap().count(), 0);
}
