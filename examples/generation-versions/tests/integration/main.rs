//! The example, against a real PostgreSQL and a real file system: what the migrations promise of both.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "where a helper of a test fails, the test has failed")]

mod back;
mod inputs;
mod killed;
mod meanwhile;
mod program;
mod rules;
mod support;
mod up;
