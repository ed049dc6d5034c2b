//! Migrates the database of a service while the service answers.
//!
//! Migrations that run before the port opens get a service killed by whoever asks whether it is alive, half way and again and again.
//! A [`Startup`] runs them in a task of its own: the service opens its port at once, says what it is doing, and is ready when the schema is.
//! It is a plain type; `dunlin-axum` makes routes and a page of it, and any other server can.
//!
//! ```no_run
//! # async fn main_(set: dunlin_core::MigrationSet) -> Result<(), Box<dyn std::error::Error>> {
//! use dunlin_core::{Direct, Migrator};
//! use dunlin_startup::Startup;
//! use tokio_postgres::NoTls;
//!
//! let connect = Direct::new("host=db user=orders".parse()?, NoTls);
//! let startup = Startup::new(connect, Migrator::new(set)).start();
//!
//! // Open the port here: `startup.is_ready()` is the answer to who asks, `startup.snapshot()` to who wants to know more.
//! startup.wait_ready().await?;
//!
//! // When the service is told to end:
//! startup.shutdown().await;
//! # Ok(()) }
//! ```
//!
//! What a service tells by itself:
//!
#![doc = include_str!("../docs/metrics.md")]
#![deny(missing_docs)]

mod book;
mod builder;
mod changes;
mod live;
mod log;
mod metrics;
mod not_ready;
mod policy;
mod running;
mod serial;
mod snapshot;
mod startup;
mod step;
mod steps;
mod work;

pub use builder::StartupBuilder;
pub use changes::Changes;
pub use dunlin_core::BackfillState;
pub use not_ready::NotReady;
pub use policy::{OverBudget, PutOff, WhenAhead};
pub use running::{Build, Running};
pub use snapshot::{Backfill, Event, Failure, LockWait, Phase, Snapshot};
pub use startup::Startup;
pub use step::{Step, StepState, Verdict};
