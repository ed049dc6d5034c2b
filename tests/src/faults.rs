//! The fault harness: one plan of migrations, and sweeps over everything that can go wrong while it is applied.
//!
//! Each point of a sweep has a database of its own. There the [scenario](migrator) is applied while something goes wrong,
//! then once more in peace, and what has come of it is compared with what a run without faults leaves: each effect
//! exactly once, the history right, no lock, no invalid index, nothing open.
//!
//! | Sweep | What goes wrong | Points |
//! |---|---|---|
//! | [`cuts`] | the connection is cut before, in the middle of and after each message, in both directions | all |
//! | [`double_cuts`] | it is cut twice | seeded |
//! | [`silences`] | the network goes silent at each message, and the caller gives up | all |
//! | [`drops`] | the future is dropped at each poll, and while a statement runs | all |
//! | [`aborts`] | the process aborts before and after each poll | all |
//! | [`chaos`] | four processes at once, killed, stopped, and their sessions terminated | seeded |
//! | [`poolers`] | eight runners at once behind a pooler, some of them aborted or cut off | seeded |
//! | [`pooler_cuts`] | as [`cuts`], between a runner and a pooler in transaction mode | all |
//!
//! `cargo run --release -p tests --bin faults -- cuts` runs a whole sweep; the tests run a part of each.

mod drop_at;
mod footprint;
mod part;
mod place;
mod pooled;
mod runner;
mod scenario;
mod sweep;

mod peace;

mod replica;

mod aborts;
mod chaos;
mod cuts;
mod drops;
mod pooler_cuts;
mod poolers;
mod silences;

pub use crate::faults::{
    aborts::aborts,
    chaos::chaos,
    cuts::{cuts, double_cuts},
    drop_at::{DropAt, Dropped, Moment},
    drops::drops,
    part::Part,
    pooler_cuts::pooler_cuts,
    poolers::poolers,
    replica::replica,
    scenario::migrator,
    silences::silences,
    sweep::Tally,
};
