//! Checks of a set of migrations, each of which is one line in a test.
//!
//! ```
//! # use dunlin_core as dunlin;
//! use dunlin_test::checks::{self, CheckError};
//!
//! # fn migrations() -> dunlin::MigrationSet {
//! #     let birds = dunlin::SqlMigration::new(1, "birds", "CREATE TABLE birds (name text)").unwrap();
//! #     dunlin::MigrationSet::builder().migration(birds.with_down("DROP TABLE birds").unwrap()).build().unwrap()
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), CheckError> {
//! #     each_migration_can_be_reverted().await
//! # }
//! // In your tests with #[tokio::test] on top.
//! async fn each_migration_can_be_reverted() -> Result<(), CheckError> {
//!     println!("{}", checks::each_step(&migrations()).await?);
//!     Ok(())
//! }
//! ```
//!
//! | Check | What it finds out |
//! |---|---|
//! | [`round_trip`] | all downs lead back to where the ups began, and the ups can be run again |
//! | [`each_step`] | the same for each migration alone, and which ones it does not hold for |
//! | [`matches`](fn@matches) | the migrations make the schema of a committed `pg_dump -s` |
//! | [`resumable`] | a migration outside a transaction that is interrupted anywhere is finished by the next run |
//! | [`concurrent_boot`] | many replicas can boot at once |
//!
//! Each runs on new empty databases of a throw-away server, or of the server that `DATABASE_URL` names, which are gone
//! afterwards. What is compared is a [`Schema`](crate::Schema): no rows, no owners, no privileges. Each takes `&MigrationSet`,
//! or `&Migrator` where the migrations need what is set there: resources, a `search_path`, a role. The history is kept in its
//! usual place whatever the migrator says, and no connection is opened but to the scratch databases.
//!
//! What they return says what was checked and what was not; what they fail with says which migration and which object, with
//! what differs as `git diff` shows it, also when it is printed by `unwrap`.

mod checked;
mod concurrent_boot;
mod cut;
mod dump;
mod each_step;
mod error;
mod matches;
mod resumable;
mod round_trip;
mod stage;

pub use crate::checks::{
    checked::{Checked, Skipped},
    concurrent_boot::concurrent_boot,
    each_step::each_step,
    error::{CheckError, Failure},
    matches::matches,
    resumable::resumable,
    round_trip::round_trip,
};
pub use crate::subject::Subject;
