//! The old program goes on while it is migrated.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use dunlin::Progress;
use generation_versions::{OldProgram, Orphans, Storage, migrator, sweep};
use serde_json::json;
use tokio::{sync::watch, task::JoinSet};
use tokio_postgres::NoTls;
use uuid::Uuid;

use crate::support::{FEW, Item, Place};

const COUNT: u128 = 100;

/// A third of them when the schema is about to change, a third when rows are numbered, a third between two files that are moved.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_generations_that_are_created_meanwhile_have_their_versions_and_their_files() {
    let place = Place::old(FEW).await;
    let (now, later) = watch::channel(0_i64);
    let mut writers = JoinSet::new();
    let (created, were_created) = mpsc::channel();
    for number in 0..COUNT {
        let (client, mut later) = (place.database.connect().await.unwrap(), later.clone());
        let (program, created) = (OldProgram::new(place.root()), created.clone());
        writers.spawn(async move {
            let moment = [3, 6, 9][usize::try_from(number % 3).unwrap()];
            later.wait_for(|now| *now >= moment).await.unwrap();
            let project = format!("atlas-{}", if number % 2 == 0 { 0 } else { 20 });
            let parts = [".html", "-é \n.txt"].map(|part| (part.to_owned(), format!("{number}{part}")));
            let id = Uuid::from_u128(1 << 100 | number);
            program.generate(&client, id, &project, "Meanwhile.", &json!({}), &parts).await.unwrap();
            let _ = created.send(());
        });
    }
    let insert = "INSERT INTO projects (id, name) VALUES ('atlas-20', 'New')";
    place.client.batch_execute(insert).await.unwrap();
    let (step, were_created) = (AtomicUsize::new(0), Mutex::new(were_created));
    let moves = now.clone();
    let storage = Storage::open(place.root()).unwrap().on_step(move |_| {
        if step.fetch_add(1, Ordering::Relaxed) == 100 {
            moves.send_replace(9);
            let were_created = were_created.lock().unwrap();
            (0..COUNT).for_each(|_| were_created.recv_timeout(Duration::from_secs(60)).unwrap());
        }
        Ok(())
    });
    let migrator = migrator(&storage, Orphans::Archive).on_progress(move |progress| match progress {
        Progress::Started { id, .. } if id.version() < 9 => drop(now.send_replace(id.version())),
        _ => {}
    });

    dunlin::migrate(&place.database.config(), NoTls, &migrator).await.unwrap();

    writers.join_all().await;
    place.check().await;
    assert_eq!(place.number("SELECT count(*) FROM generations").await, 125);
    let wrong = "SELECT count(*) FROM (SELECT version, is_active,
            row_number() OVER (PARTITION BY project_id ORDER BY created_at, id) AS number,
            count(*) OVER (PARTITION BY project_id) AS count FROM generations) AS g
        WHERE version <> number OR is_active <> (number = count)";
    assert_eq!(place.number(wrong).await, 0);
    let mut copies: BTreeMap<String, usize> = BTreeMap::new();
    for (name, item) in place.files() {
        if matches!(item, Item::File(_)) {
            *copies.entry(name.rsplit('/').next().unwrap().to_owned()).or_default() += 1;
        }
    }
    for number in 0..COUNT {
        let id = Uuid::from_u128(1 << 100 | number);
        for part in [".html", "-é \n.txt"] {
            assert_eq!(copies.get(&format!("{id}{part}")), Some(&1), "{number}{part}");
        }
    }
}

#[tokio::test]
async fn what_is_created_afterwards_is_numbered_at_once_and_swept_later() {
    let place = Place::new(FEW).await;
    let program = OldProgram::new(place.root());
    let id = Uuid::from_u128(5);
    let files = [(".html".to_owned(), "x".to_owned())];
    program.generate(&place.client, id, "atlas-0", "Later.", &json!({}), &files).await.unwrap();
    let newest = "SELECT (version = latest_version AND is_active AND active_generation_id = g.id AND storage_path IS NULL)::int::int8
        FROM generations AS g JOIN projects AS p ON p.id = project_id WHERE prompt = 'Later.'";
    assert_eq!(place.number(newest).await, 1);

    let report = sweep(&place.storage.hold().unwrap(), &place.client, &|_, _| ()).await.unwrap();

    assert_eq!((report.moved, report.late, report.passes), (1, 0, 2));
    place.check().await;
}

#[tokio::test]
async fn a_file_that_comes_after_its_row_was_moved_is_moved_after_it() {
    let place = Place::new(FEW).await;
    let lost: String = place
        .client
        .query_one("SELECT name FROM generations, unnest(files) AS name WHERE name LIKE '%_lost.png'", &[])
        .await
        .unwrap()
        .get(0);
    for content in ["found", "written again"] {
        std::fs::write(place.root().join(&lost), content).unwrap();
        let report = sweep(&place.storage.hold().unwrap(), &place.client, &|_, _| ()).await.unwrap();
        assert_eq!((report.moved, report.late), (0, 1), "{content}");
        place.check().await;
        let stored: Vec<_> = place.files().into_iter().filter(|(name, _)| name.ends_with(&lost)).collect();
        assert_eq!(stored.len(), 1);
        assert_eq!(stored[0].1, Item::File(content.into()));
    }
}

#[tokio::test]
async fn a_row_that_is_locked_is_waited_for() {
    let place = Place::flat(FEW).await;
    let mut writer = place.database.connect().await.unwrap();
    let transaction = writer.transaction().await.unwrap();
    let lock =
        "UPDATE generations SET prompt = prompt WHERE id = (SELECT max(id::text)::uuid FROM generations)";
    transaction.execute(lock, &[]).await.unwrap();
    let (waits, mut has_waited) = tokio::sync::mpsc::unbounded_channel();
    let migrator = migrator(&place.storage, Orphans::Archive).on_progress(move |progress| {
        if let Progress::Retrying { code, .. } = progress {
            let _ = waits.send(code.to_owned());
        }
    });
    let config = place.database.config();
    let run = tokio::spawn(async move { dunlin::migrate(&config, NoTls, &migrator).await });

    assert_eq!(has_waited.recv().await.unwrap(), "55P03");
    transaction.commit().await.unwrap();

    assert_eq!(run.await.unwrap().unwrap().applied().count(), 1);
    place.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generation_that_is_deleted_while_it_is_moved_keeps_its_flat_files() {
    let place = Place::flat(FEW).await;
    let (before, was_told) = (place.files(), AtomicUsize::new(0));
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    let storage = Storage::open(place.root()).unwrap().on_step(move |step| {
        if step.what == "record" && was_told.fetch_add(1, Ordering::Relaxed) == 3 {
            tell.send(step.path.to_owned()).unwrap();
            may_go_on.lock().unwrap().recv_timeout(Duration::from_secs(60)).unwrap();
        }
        Ok(())
    });
    let (hold, client) = (storage.hold().unwrap(), place.database.connect().await.unwrap());
    let run = tokio::spawn(async move { sweep(&hold, &client, &|_, _| ()).await });
    let folder = told.recv().await.unwrap();
    assert!(folder.is_dir());
    let name = folder.file_name().unwrap().to_str().unwrap();
    let id: Uuid = name.split_once("__").unwrap().1.parse().unwrap();
    place.client.execute("DELETE FROM generations WHERE id = $1", &[&id]).await.unwrap();
    go_on.send(()).unwrap();

    let report = run.await.unwrap().unwrap();

    assert_eq!((report.moved, report.adopted), (24, 0));
    assert!(!folder.exists());
    place.check().await;
    let after = place.files();
    let own: Vec<_> = before.iter().filter(|(name, _)| name.starts_with(&id.to_string())).collect();
    assert!(!own.is_empty() && own.iter().all(|(name, item)| after.get(*name) == Some(*item)));
}
