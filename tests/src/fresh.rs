//! Processes full of tests that ask for fresh databases, and what can go wrong with them.
//!
//! A worker is a process of its own that runs tests, several at once, each on a thread and a runtime of its own as `#[tokio::test]`
//! has them. Each test gets a fresh database, sees that it is as the migrations have made it and that nobody else is in it,
//! and leaves it in a state that a real test might leave it in.
//!
//! | Round | What happens | Where |
//! |---|---|---|
//! | [`parallel`] | four workers at once | on a shared server and on one that `DATABASE_URL` names |
//! | [`short`] | hundreds of workers with one test each, four at a time | both |
//! | [`kills`] | workers are killed at random and replaced | both |
//! | [`points`] | a worker is killed at each message that it sends or gets, while another one has databases | `DATABASE_URL` |
//! | [`cancels`] | the future of a fresh database is dropped at each poll | one process |
//!
//! Afterwards there must be nothing but templates where the server stays, and no server where it does not.
//!
//! `cargo run --release -p tests --bin fresh -- parallel` runs all of a kind; the tests run a part of each.

mod deed;
mod ground;
mod guest;
mod report;
mod rounds;
mod scene;
mod worker;

mod cancels;
mod kills;
mod parallel;
mod points;
mod process;

pub use crate::fresh::{
    cancels::cancels,
    ground::Place,
    guest::guest,
    kills::kills,
    parallel::{parallel, short},
    points::points,
    report::Report,
    rounds::Rounds,
    worker::{Work, work},
};
