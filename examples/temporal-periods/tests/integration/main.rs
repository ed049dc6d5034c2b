//! The example, against a real PostgreSQL: what the layer promises, and what the program does with it.

#![allow(clippy::unwrap_used, reason = "where a helper of a test fails, the test has failed")]

mod end_to_end;
mod folder;
mod generates;
mod preflight;
mod program;
mod questions;
mod resumes;
mod rollback;
mod support;
