//! The core of [dunlin](https://docs.rs/dunlin): the migration trait, sets, the planner, the history, the lock and the
//! runner. Applications depend on the `dunlin` crate, which re-exports all of this; adapters depend on this one.
//!
//! In reading order: a [`Migration`] is one step, a [`MigrationSet`] all that a program knows, a [`Migrator`] a set with
//! settings. [`migrate`] is what a service calls on boot. A [`Plan`] says what would be done, a [`Report`] what was, a
//! [`Status`] how a database stands, a [`Diagnosis`] what is wrong around it, an [`Error`] what went wrong.

#![deny(missing_docs)]

mod checksum;
mod code;
mod context;
mod id;
mod ident;
mod migration;
mod sql_migration;

#[doc(hidden)]
pub mod embedded;
mod set;

mod assess;
mod history;
mod history_digest;
mod plan;
mod planner;
mod policy;
mod pooler;
mod status;
mod target;
mod transaction_policy;

mod history_sql;
mod journal;
mod ledger;

mod flight;
mod gate;
mod jitter;
mod keeper;
mod lock;
mod session;
mod wait;
mod wire;

mod apply;
mod around;
mod backfill_progress;
mod batch;
mod blocker;
mod concurrent;
mod concurrent_sql;
mod connect;
mod hold;
mod hooks;
mod log_entry;
mod look;
mod migration_hook;
mod migrator;
mod outside;
mod preflight;
mod progress;
mod put_off;
mod reconnect;
mod report;
pub mod requirement;
mod run;
mod run_hook;
mod spans;
mod stop;
mod stray;
mod stumble;
mod task;
mod turn;
mod undo;
mod unmet;
mod verbs;
mod verification;
mod verify;
mod watch;

mod diagnose;
mod diagnose_sql;
pub mod diagnosis;

mod error;
mod failure;
mod problem;

#[cfg(feature = "serde")]
mod serial;

pub use assess::{Finding, FindingKind, State, Verdict};
pub use backfill_progress::{BackfillProgress, BackfillState};
pub use blocker::Blocker;
pub use checksum::Checksum;
pub use code::RustMigration;
pub use connect::{Connect, Connection, Direct, Tls};
pub use context::Context;
pub use diagnosis::Diagnosis;
pub use error::{Error, ErrorKind, Location};
pub use history::{HistoryTable, Origin, Record, RecordState};
pub use id::MigrationId;
pub use ident::{Ident, IdentError};
pub use log_entry::LogEntry;
pub use migration::{BoxError, Migration, TransactionMode};
pub use migration_hook::{MigrationHook, MigrationHookContext};
pub use migrator::Migrator;
pub use plan::{Direction, Plan, Step};
pub use policy::{Ahead, Edited, Gate, Missing, OutOfOrder};
pub use pooler::Pooler;
pub use preflight::Preflight;
pub use progress::Progress;
pub use reconnect::{migrate, migrate_to};
pub use report::{Done, Report};
pub use requirement::Requirement;
pub use run_hook::{HookPoint, RunContext, RunHook};
pub use set::{Fingerprint, MigrationSet, MigrationSetBuilder};
pub use sql_migration::SqlMigration;
pub use status::Status;
pub use stop::{Stop, Stopped};
pub use target::Target;
pub use transaction_policy::TransactionPolicy;
pub use unmet::Unmet;
pub use verification::Verification;
