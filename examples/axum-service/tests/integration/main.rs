//! The example, against a real PostgreSQL: what the migrations and the routes promise, and what becomes of replicas that are upgraded, killed
//! and told to end.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "where a helper of a test fails, the test has failed"
)]

mod migrations;
mod program;
mod replicas;
mod requests;
mod support;
