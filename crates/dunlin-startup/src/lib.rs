//! Migrates the database of a service while the service answers.

#![deny(missing_docs)]

mod serial;
mod snapshot;

pub use snapshot::{
    Backfill, BackfillState, Build, Event, Failure, LockWait, Phase, Running, Snapshot, Step, StepState,
    Verdict,
};
