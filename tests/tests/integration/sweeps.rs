//! A part of each sweep of the fault harness. `cargo run --release -p tests --bin faults -- all` runs the whole of each.

use std::{path::Path, time::Duration};

use tests::faults::{self, Part, Tally};

/// What aborts and is killed.
fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_faults"))
}

/// Another one each time, so that many runs see everything; `DUNLIN_FAULTS_SEED` repeats one.
fn seed() -> u64 {
    match std::env::var("DUNLIN_FAULTS_SEED") {
        Ok(seed) => seed.parse().expect("DUNLIN_FAULTS_SEED is a number"),
        Err(_) => u64::from(fastrand::u32(..)),
    }
}

#[track_caller]
fn assert_right(tally: &Tally, seed: u64) {
    assert!(tally.is_right(), "DUNLIN_FAULTS_SEED={seed}\n{tally}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f21_f22_a_cut_at_any_message_loses_nothing_and_doubles_nothing() {
    let seed = seed();
    let tally = faults::cuts(Part::Some { points: 80, seed }).await.unwrap();
    assert_right(&tally, seed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f22_two_cuts_in_a_row_lose_nothing_and_double_nothing() {
    let seed = seed();
    assert_right(&faults::double_cuts(30, seed).await.unwrap(), seed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f27_a_caller_who_gives_up_on_a_silent_network_leaves_nothing() {
    let seed = seed();
    let tally = faults::silences(Part::Some { points: 16, seed }).await.unwrap();
    assert_right(&tally, seed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f27_a_future_dropped_at_any_poll_leaves_neither_lock_nor_transaction() {
    let seed = seed();
    // Within a second, on a machine that does nothing else meanwhile.
    let tally = faults::drops(Part::Some { points: 60, seed }, Duration::from_secs(3)).await.unwrap();
    assert_right(&tally, seed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f09_f21_a_process_that_aborts_anywhere_loses_nothing_and_doubles_nothing() {
    let seed = seed();
    let tally = faults::aborts(Part::Some { points: 25, seed }, program()).await.unwrap();
    assert_right(&tally, seed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f10_replicas_that_are_killed_stopped_and_cut_off_lose_nothing_and_double_nothing() {
    let seed = seed();
    assert_right(&faults::chaos(6, seed, program()).await.unwrap(), seed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f01_runners_behind_a_pooler_lose_nothing_and_double_nothing() {
    let seed = seed();
    assert_right(&faults::poolers(3, seed).await.unwrap(), seed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f01_f22_a_cut_of_a_connection_to_a_pooler_loses_nothing_and_doubles_nothing() {
    let seed = seed();
    let tally = faults::pooler_cuts(Part::Some { points: 24, seed }).await.unwrap();
    assert_right(&tally, seed);
}
