//! A part of the rounds of fresh databases. `cargo run --release -p tests --bin fresh -- all` runs the whole of each.

use std::path::Path;

use tests::{
    faults::Part,
    fresh::{self, Place, Report, Rounds},
};

/// What runs tests, and is killed.
fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_fresh"))
}

/// Another one each time, so that many runs see everything; `DUNLIN_FAULTS_SEED` repeats one.
fn seed() -> u64 {
    match std::env::var("DUNLIN_FAULTS_SEED") {
        Ok(seed) => seed.parse().expect("DUNLIN_FAULTS_SEED is a number"),
        Err(_) => u64::from(fastrand::u32(..)),
    }
}

fn one_round(place: Place, tests: usize) -> Rounds<'static> {
    Rounds { place, rounds: 1, tests, seed: seed(), program: program() }
}

#[track_caller]
fn assert_right(report: &Report, seed: u64) {
    assert!(report.is_right(), "DUNLIN_FAULTS_SEED={seed}\n{report}");
}

#[tokio::test]
async fn processes_that_test_at_once_on_a_shared_server_do_not_meet_and_take_it_along() {
    let rounds = one_round(Place::Shared, 10);
    assert_right(&fresh::parallel(rounds).await.unwrap(), rounds.seed);
}

#[tokio::test]
async fn processes_that_test_at_once_on_a_given_server_leave_nothing_but_the_template() {
    let rounds = one_round(Place::Given, 10);
    assert_right(&fresh::parallel(rounds).await.unwrap(), rounds.seed);
}

#[tokio::test]
async fn processes_of_one_test_each_leave_nothing_but_the_template() {
    let rounds = one_round(Place::Given, 12);
    assert_right(&fresh::short(rounds).await.unwrap(), rounds.seed);
}

#[tokio::test]
async fn tests_do_not_notice_that_others_are_killed() {
    let rounds = one_round(Place::Given, 6);
    assert_right(&fresh::kills(rounds).await.unwrap(), rounds.seed);
}

#[tokio::test]
async fn a_process_that_is_killed_at_any_message_is_followed_by_one_that_works_and_cleans_up() {
    let seed = seed();
    let report = fresh::points(Part::Some { points: 8, seed }, program()).await.unwrap();
    assert_right(&report, seed);
}

#[tokio::test]
async fn the_future_of_a_database_that_is_dropped_at_any_poll_loses_none() {
    let seed = seed();
    assert_right(&fresh::cancels(Part::Some { points: 6, seed }).await.unwrap(), seed);
}
