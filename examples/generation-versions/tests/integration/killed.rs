//! A run that ends at any step, in whatever way, leaves nothing lost and nothing in the way of the next.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{self, BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    time::Duration,
};

use generation_versions::{
    Error, Hold, Manifest, Orphans, Rollback, Storage, Tree, flatten, migrator, roll_back, sweep,
};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

use crate::support::{FEW, Item, Place, TINY, files};

/// The storage root, on which the step of this number fails, and all after it.
fn ends_at(root: &Path, step: usize) -> Storage {
    let count = AtomicUsize::new(0);
    Storage::open(root).unwrap().on_step(move |_| {
        if count.fetch_add(1, Ordering::Relaxed) < step { Ok(()) } else { Err(io::Error::other("killed")) }
    })
}

/// A run that ended can have a thread that is still at its last step.
async fn hold(storage: &Storage) -> Hold {
    let held = async {
        loop {
            match storage.hold() {
                Err(Error::Held(_)) => tokio::time::sleep(Duration::from_millis(5)).await,
                held => return held.unwrap(),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), held).await.unwrap()
}

async fn up(storage: &Storage, client: &Client) -> Result<(), Error> {
    sweep(&hold(storage).await, client, &|_, _| ()).await.map(drop)
}

async fn down(storage: &Storage, client: &Client) -> Result<(), Error> {
    flatten(&hold(storage).await, client, &|_, _| ()).await.map(drop)
}

/// Fails unless the files of each generation are where the database has them.
async fn nothing_is_lost(place: &Place, before: &BTreeMap<String, Item>) {
    let rows = place.client.query("SELECT id, storage_path, files FROM generations", &[]).await.unwrap();
    for row in rows {
        let (id, path): (Uuid, Option<String>) = (row.get(0), row.get(1));
        for name in row.get::<_, Vec<String>>(2) {
            let Some(Item::File(content)) = before.get(&name) else { continue };
            let at = place.root().join(path.as_deref().unwrap_or_default()).join(&name);
            assert_eq!(&fs::read(at).unwrap(), content, "{id} {path:?} {name}");
        }
    }
    // A folder has its name when it is whole.
    let tree = Tree::read(&place.storage).unwrap();
    for row in place.client.query("SELECT id FROM generations", &[]).await.unwrap() {
        let Some(folder) = tree.folder(row.get(0)) else { continue };
        let manifest = Manifest::read(folder).unwrap().unwrap();
        assert!(manifest.files.iter().all(|file| folder.join(&file.name).is_file()), "{folder:?}");
    }
}

#[tokio::test]
async fn a_run_up_or_down_may_end_before_each_step() {
    let place = Place::flat(TINY).await;
    let flat = place.files();
    up(&place.storage, &place.client).await.unwrap();
    let moved = place.files();
    assert_ne!(moved, flat);
    down(&place.storage, &place.client).await.unwrap();
    assert_eq!(place.files(), flat);

    let (mut is_up_through, mut is_down_through, mut step) = (false, false, 0);
    while !is_up_through || !is_down_through {
        is_up_through = up(&ends_at(place.root(), step), &place.client).await.is_ok();
        nothing_is_lost(&place, &flat).await;
        up(&place.storage, &place.client).await.unwrap();
        assert!(place.files() == moved, "up, step {step}: {:?}", place.files().keys());

        is_down_through = down(&ends_at(place.root(), step), &place.client).await.is_ok();
        nothing_is_lost(&place, &flat).await;
        down(&place.storage, &place.client).await.unwrap();
        assert!(place.files() == flat, "down, step {step}: {:?}", place.files().keys());
        step += 1;
    }
    assert!(step > 100, "{step}");
}

#[tokio::test]
async fn a_run_may_end_and_begin_in_the_other_direction() {
    let place = Place::flat(TINY).await;
    let flat = place.files();
    for step in (3..400).step_by(7) {
        let is_up = up(&ends_at(place.root(), step), &place.client).await;
        down(&place.storage, &place.client).await.unwrap();
        assert!(place.files() == flat, "step {step}: {:?}", place.files().keys());
        if is_up.is_ok() {
            return;
        }
    }
    panic!("there are more steps than that");
}

/// Through the migrator, whose history says that the migration was begun.
#[tokio::test]
async fn a_migration_that_ended_half_way_can_go_on_and_can_go_back() {
    let place = Place::old(FEW).await;
    let (rows, flat) = (place.rows().await, place.files());
    let config = place.database.config();
    for rollback in [Rollback::Both, Rollback::Files, Rollback::Database, Rollback::Both] {
        let broken = migrator(&ends_at(place.root(), 60), Orphans::Archive);
        dunlin::migrate(&config, NoTls, &broken).await.unwrap_err();
        let broken = roll_back(&config, &ends_at(place.root(), 20), rollback, |migrator| migrator).await;
        assert_eq!(broken.is_err(), rollback != Rollback::Database, "{rollback:?}");
        place.roll_back(rollback).await;
        if rollback != Rollback::Database {
            assert!(place.files() == flat, "{rollback:?}: {:?}", place.files().keys());
        }
        place.migrate(Orphans::Archive).await.unwrap();
        place.check().await;

        roll_back(&config, &ends_at(place.root(), 30), Rollback::Both, |migrator| migrator)
            .await
            .unwrap_err();
        let error = place.migrate(Orphans::Archive).await.unwrap_err();
        assert!(error.to_string().contains("half reverted: finish it"), "{error}");
        place.roll_back(Rollback::Both).await;
        assert!(place.files() == flat && place.rows().await == rows, "{rollback:?}");
    }
}

#[tokio::test]
async fn a_run_that_ends_again_and_again_comes_to_its_end() {
    let place = Place::flat(FEW).await;
    let mut tries = 0;
    while up(&ends_at(place.root(), 25), &place.client).await.is_err() {
        tries += 1;
        assert!(tries < 100);
    }
    assert!(tries > 5, "{tries}");
    place.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_future_that_is_dropped_at_a_step_leaves_what_the_next_run_goes_on_with() {
    let place = Place::flat(FEW).await;
    let (flat, mut dropped) = (place.files(), 0);
    for step in [0, 1, 2, 5, 11, 30, 60, 100] {
        let (reached, mut was_reached) = tokio::sync::mpsc::unbounded_channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let (count, may_go_on) = (AtomicUsize::new(0), Mutex::new(may_go_on));
        let storage = Storage::open(place.root()).unwrap().on_step(move |_| {
            if count.fetch_add(1, Ordering::Relaxed) == step {
                let _ = reached.send(());
                let _ = may_go_on.lock().unwrap().recv_timeout(Duration::from_secs(60));
            }
            Ok(())
        });
        // Some steps are announced on the task that is dropped, which waits then: it has another thread.
        let client = place.database.connect().await.unwrap();
        let run = tokio::spawn(async move { up(&storage, &client).await });
        was_reached.recv().await.unwrap();
        run.abort();
        drop(go_on);
        dropped += usize::from(run.await.is_err());
        up(&place.storage, &place.client).await.unwrap();
        place.check().await;
        down(&place.storage, &place.client).await.unwrap();
        assert!(place.files() == flat, "step {step}");
    }
    assert!(dropped > 4, "{dropped}");
}

const URL: &str = "GENERATION_VERSIONS_URL";
const ROOT: &str = "GENERATION_VERSIONS_ROOT";
const STEP: &str = "GENERATION_VERSIONS_STEP";
const BACK: &str = "GENERATION_VERSIONS_BACK";

/// Not a test of its own: what the test below kills. It migrates, and waits for its end when it has come to a step.
#[tokio::test]
async fn run_to_be_killed() {
    let (Ok(url), Ok(root), Ok(step)) = (env::var(URL), env::var(ROOT), env::var(STEP)) else { return };
    let (step, count): (usize, _) = (step.parse().unwrap(), Arc::new(AtomicUsize::new(0)));
    let storage = Storage::open(root).unwrap().on_step(move |_| {
        if count.fetch_add(1, Ordering::Relaxed) == step {
            println!("\nat step");
            io::stdin().lines().for_each(drop);
        }
        Ok(())
    });
    let config = url.parse().unwrap();
    if env::var_os(BACK).is_some() {
        roll_back(&config, &storage, Rollback::Both, |migrator| migrator).await.unwrap();
    } else {
        dunlin::migrate(&config, NoTls, &migrator(&storage, Orphans::Archive)).await.unwrap();
    }
}

/// Starts a process and kills it at a step.
fn kill_at(step: usize, place: &Place, way: &[&str]) {
    let mut child = start(step, place, way);
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap() == "at step"), "step {step} was not reached");
    child.kill().unwrap();
    child.wait().unwrap();
}

fn start(step: usize, place: &Place, way: &[&str]) -> Child {
    Command::new(env::current_exe().unwrap())
        .envs(way.iter().map(|way| (way, "1")))
        .args(["--exact", "killed::run_to_be_killed", "--nocapture"])
        .env(URL, place.database.url())
        .env(ROOT, place.root())
        .env(STEP, step.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn a_process_that_is_killed_in_the_middle_is_followed_by_one_that_ends_as_if_nothing_had_been() {
    let model = Place::new(FEW).await;
    let undisturbed = model.files();
    for step in [0, 7, 40, 120, 200] {
        let place = Place::old(FEW).await;
        kill_at(step, &place, &[]);

        let report = place.migrate(Orphans::Archive).await.unwrap();

        assert_eq!(report.applied().count(), 1, "step {step}");
        assert!(place.files() == undisturbed, "step {step}: {:?}", files(place.root()).keys());
        place.check().await;
    }
}

#[tokio::test]
async fn a_process_that_is_killed_on_the_way_back_is_followed_by_one_that_ends_there() {
    let place = Place::old(FEW).await;
    let (rows, flat) = (place.rows().await, place.files());
    for step in [0, 9, 50, 110] {
        place.migrate(Orphans::Archive).await.unwrap();
        kill_at(step, &place, &[BACK]);

        place.roll_back(Rollback::Both).await;

        assert!(place.files() == flat, "step {step}: {:?}", place.files().keys());
        assert_eq!(place.rows().await, rows, "step {step}");
    }
}
