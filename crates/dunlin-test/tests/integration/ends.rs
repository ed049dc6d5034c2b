use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use dunlin_test::Server;

use crate::{
    child::{Owner, processes_with, wait_until},
    starts::{ask, folder, own},
};

pub(crate) fn is_gone(folder: &Path) -> bool {
    !folder.exists() && processes_with(&folder.display().to_string()).is_empty()
}

pub(crate) fn signal(name: &str, pids: &[u32]) {
    let status = Command::new("kill").arg(name).args(pids.iter().map(u32::to_string)).status().unwrap();
    assert!(status.success());
}

/// The shells that watch over the server of this folder.
pub(crate) fn watchdogs(folder: &Path) -> Vec<u32> {
    processes_with(&format!("dunlin-watchdog {}", folder.display()))
}

#[tokio::test]
async fn stop_returns_when_nothing_is_left() {
    let server = own().await.unwrap();
    let folder = folder(&server);
    assert!(!is_gone(&folder));

    server.stop().await.unwrap();

    assert!(is_gone(&folder));
}

#[tokio::test]
async fn stopping_one_clone_stops_the_server_and_stopping_the_other_is_no_error() {
    let server = own().await.unwrap();
    let folder = folder(&server);

    server.clone().stop().await.unwrap();
    assert!(is_gone(&folder));

    server.stop().await.unwrap();
}

#[tokio::test]
async fn the_last_drop_stops_the_server() {
    let server = own().await.unwrap();
    let (folder, clone) = (folder(&server), server.clone());

    drop(server);
    assert_eq!(ask(&clone.config(), "SELECT 'alive'").await, "alive");
    drop(clone);

    wait_until("the dropped server is gone", || is_gone(&folder));
}

#[test]
fn a_start_that_is_dropped_leaves_nothing() {
    for milliseconds in [0, 10, 30, 60, 90] {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mark = format!("dropped after {milliseconds} ms by {}", std::process::id());
        let start = Server::builder().setting("cluster_name", &mark).start();

        let limit = Duration::from_millis(milliseconds);
        let _ = runtime.block_on(async { tokio::time::timeout(limit, start).await });
        // Waits for what runs on threads for blocking work, so that nothing appears after the look below.
        drop(runtime);

        wait_until("nothing bears its mark", || !folders().any(|folder| is_marked(&folder, &mark)));
    }
}

fn folders() -> impl Iterator<Item = PathBuf> {
    let parents = [PathBuf::from("/dev/shm"), env::temp_dir()];
    let entries = parents.into_iter().filter_map(|parent| fs::read_dir(parent).ok()).flatten().flatten();
    entries.map(|entry| entry.path())
}

fn is_marked(folder: &Path, mark: &str) -> bool {
    fs::read_to_string(folder.join("data/postgresql.conf")).is_ok_and(|text| text.contains(mark))
}

#[test]
fn kill_9_of_the_owner_leaves_nothing() {
    let mut owner = Owner::hold();
    let folder = owner.folder();
    assert!(folder.join("data/postmaster.pid").exists());
    assert_eq!(
        watchdogs(&folder).len(),
        2,
        "the shell that waits for the server, and the one that waits for us"
    );

    owner.child.kill().unwrap();
    owner.child.wait().unwrap();

    wait_until("server, watchdog and folder are gone", || is_gone(&folder));
}

#[test]
fn starts_do_not_disturb_the_watchdogs_of_the_dead() {
    for _ in 0..3 {
        let mut owners = [Owner::hold(), Owner::hold(), Owner::hold()];
        let folders = owners.each_ref().map(Owner::folder);
        thread::scope(|scope| {
            // Every start sweeps: some of them while the watchdogs below are at work.
            let starting = [(); 3].map(|()| scope.spawn(|| Owner::run("owner", &[])));
            for owner in &mut owners {
                owner.child.kill().unwrap();
                owner.child.wait().unwrap();
            }
            for start in starting {
                assert_eq!(start.join().unwrap().said("origin").len(), 1);
            }
        });

        wait_until("servers, watchdogs and folders are gone", || {
            folders.iter().all(|folder| is_gone(folder))
        });
    }
}

#[test]
fn signals_of_a_terminal_leave_the_watchdog_at_its_post() {
    let mut owner = Owner::hold();
    let folder = owner.folder();
    let before = watchdogs(&folder);

    for name in ["-INT", "-HUP", "-TERM"] {
        signal(name, &before);
    }
    owner.child.kill().unwrap();
    owner.child.wait().unwrap();

    wait_until("server, watchdog and folder are gone", || is_gone(&folder));
}

#[test]
fn the_next_start_sweeps_what_a_killed_watchdog_has_left_and_nothing_else() {
    let (mut dead, living) = (Owner::hold(), Owner::hold());
    let (folder, other) = (dead.folder(), living.folder());
    signal("-KILL", &watchdogs(&folder));
    dead.child.kill().unwrap();
    dead.child.wait().unwrap();
    assert!(!is_gone(&folder), "nobody is there to do it");

    Owner::run("owner", &[]);

    wait_until("the left server and its folder are gone", || is_gone(&folder));
    assert!(other.join("data/postmaster.pid").exists());
    assert_eq!(watchdogs(&other).len(), 2);
    drop(living);
    wait_until("the other server is gone too", || is_gone(&other));
}
