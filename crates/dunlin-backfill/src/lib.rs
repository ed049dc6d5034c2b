//! Typed data backfills for PostgreSQL, as migrations of [dunlin](https://docs.rs/dunlin): batched, resumed after a crash, verified,
//! with nothing lost of what the application writes meanwhile.
//!
//! A [`Backfill`] says which rows it is about, what becomes of one, and when one is done. Its conversion is a pure function over a
//! [`Row`], which gives a [`Change`]. [`#[migration]`](macro@migration) makes a migration of it:
//!
//! ```
//! use dunlin_backfill::{Backfill, Change, Down, Row, RowError, Source};
//! use dunlin_core::{MigrationSet, Migrator};
//!
//! #[derive(Row)]
//! struct Price {
//!     cents: i64,
//! }
//!
//! #[derive(Change)]
//! struct Amount {
//!     amount: Option<String>,
//! }
//!
//! struct Amounts;
//!
//! #[dunlin_backfill::migration]
//! impl Backfill for Amounts {
//!     type Row = Price;
//!     type Change = Amount;
//!
//!     fn source(&self) -> Source {
//!         Source::table("orders").remaining("amount IS NULL")
//!     }
//!
//!     fn convert(&self, price: &Price) -> Result<Option<Amount>, RowError> {
//!         if price.cents < 0 {
//!             return Err(RowError::new("negative price"));
//!         }
//!         Ok(Some(Amount { amount: Some(format!("{}.{:02}", price.cents / 100, price.cents % 100)) }))
//!     }
//!
//!     fn down(&self) -> Down {
//!         Down::nothing() // the migration before drops the column
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let server = dunlin_test::Server::shared().await?;
//! # let database = server.create_database().await?;
//! # let config = database.config();
//! let set = MigrationSet::builder()
//!     .sql(1, "create_orders", "CREATE TABLE orders (id bigint PRIMARY KEY, cents bigint NOT NULL)")
//!     .sql(2, "some_orders", "INSERT INTO orders SELECT n, n * 99 FROM generate_series(1, 5000) AS n")
//!     .sql(3, "add_amount", "ALTER TABLE orders ADD COLUMN amount text")
//!     .rust(4, "fill_amounts", Amounts)
//!     .build()?;
//! dunlin_core::migrate(&config, tokio_postgres::NoTls, &Migrator::new(set)).await?;
//! # let client = database.connect().await?;
//! # let left: i64 = client.query_one("SELECT count(*) FROM orders WHERE amount IS NULL", &[]).await?.get(0);
//! # assert_eq!(left, 0);
//! # Ok(())
//! # }
//! ```
//!
//! # What it does with it
//! - **Pages by a unique key** of any types, as far as the table went when it began, without locks and without a transaction that
//!   stays open.
//! - **Writes a batch in small transactions**, of which each counts what it has done with what it does: a crash at whatever point
//!   repeats nothing and skips nothing. The [page about stripes](stripes) says why there are several, and what that saves.
//! - **Overwrites nothing.** A row that the application writes between being read and being written is read and converted again.
//! - **Steers the size of a batch** to a time, halves it when something times out or is in the way, and never holds a row for longer
//!   than a batch should take.
//! - **Waits** when the database has enough to do: a replica that is behind, a vacuum of the table, an old snapshot, or what a
//!   [`Signal`] of the program's own says.
//! - **Shares the work**: ranges of the key are leased to workers, in this process or in [others](Backfills::run), by the server's
//!   clock. One that sleeps past its lease can't write.
//! - **Sets poison rows aside**: by halving it finds the row that can't be converted or that the server refuses, notes its key and why, and
//!   goes on, within a [budget](Budget).
//! - **Sweeps.** When all is done it waits for the transactions that were open, and looks for rows that remain: what was committed
//!   behind it is found.
//! - **Verifies**: [`Migrator::verify`](dunlin_core::Migrator::verify) fails if a row remains that it would change.
//!
//! [`Backfills`] is for operators: a dry run, how far it is, pause, resume, cancel, and another try for what was set aside.
//!
//! # What to know
//! - Rows are written with the connections of the run: `dunlin_core::migrate` or
//!   [`Migrator::run_through`](dunlin_core::Migrator::run_through), which can open more than one. With a client of the caller's own it
//!   works on that alone, and reads while it does not write.
//! - It needs sessions: behind a pooler in transaction mode the migrator has to have
//!   [direct connections](dunlin_core::Migrator::direct).
//! - It writes down how far it is in three tables beside the history: `<history>_backfills`, `<history>_backfill_ranges` and
//!   `<history>_backfill_quarantine`. A key stands there as text; no other value does.
//! - A migration that is a backfill runs outside a transaction, and is a boot that takes as long as it takes, unless its [`Placement`]
//!   says otherwise: then it is done in the background, or by another program. What comes after and can't do without it says so:
//!   `-- dunlin: requires-backfill = name` in a SQL file, `REQUIRED_BACKFILLS` in a
//!   [`RustMigration`](dunlin_core::RustMigration), and [`Migrator::gate`](dunlin_core::Migrator::gate) says what happens then.
//! - To have it done before the service boots, call [`Backfills::run`] from another program: the migration finds nothing left to do.
//! - When it has come to its end, and when it has failed, the event log of the history gets its report.

#![deny(missing_docs)]

#[doc = include_str!("../docs/stripes.md")]
pub mod stripes {}

mod backfill;
mod change;
#[doc(hidden)]
pub mod derived;
mod down;
mod health;
mod placement;
mod row;
mod row_error;
mod settings;
mod signals;
mod source;
mod write;

mod backfills;
mod dry_run;
mod error;
mod report;
mod status;

#[doc(hidden)]
pub mod hooks;
mod parts;
mod remains;
mod run;

mod batch;
mod care;
mod desk;
mod shop;
mod worker;
mod writing;

mod pace;
mod striping;

mod claim;
mod joins;
mod key;
mod ledger;
mod shape;
mod statements;
mod tables;
mod target;
mod track;
mod trouble;
mod write_sql;

mod job;
mod raw;

pub use backfill::Backfill;
pub use backfills::Backfills;
pub use change::{Change, ChangeColumn};
pub use down::Down;
pub use dry_run::{DryRun, Sample};
pub use dunlin_macros::{Change, Row, migration};
pub use error::{Error, ErrorKind};
pub use health::{Checkup, Health, Signal};
pub use parts::Parts;
pub use placement::Placement;
pub use report::Report;
pub use row::{Row, RowColumn};
pub use row_error::RowError;
pub use settings::{Budget, Settings};
pub use signals::{ActiveSessions, Autovacuum, OldestTransaction, ReplicaLag, WalRate};
pub use source::{Source, SourceTable};
pub use status::{JobState, Quarantined, Status};
pub use write::Write;
