//! Generations of projects get versions, and their files, which lay flat under a storage root, a folder each.
//!
//! In reading order: a [`Storage`] is the root, and a [`Hold`] of it what everything needs that changes something there. A
//! [`Preflight`] looks before anything is migrated, [`migrator`] has the migrations, [`sweep`] and [`flatten`] are what the last of
//! them does up and down, [`Checks`] look at the result, [`compare`] at two versions. [`Seed`] makes data, [`OldProgram`] is who goes
//! on writing meanwhile.

mod error;

mod files;
mod hold;
mod platform;
mod step;
mod storage;

mod flat;
mod generation;
mod home;
mod manifest;
mod project_folder;
mod tree;

mod absorb;
mod flatten;
mod links;
mod sweep;

mod activate;
mod checks;
mod compare;
mod migrations;
mod orphans;
mod preflight;
mod rollback;

mod old_program;
mod seed;

pub use activate::activate;
pub use checks::{Check, Checks};
pub use compare::{Comparison, compare};
pub use error::Error;
pub use flatten::{Flattened, flatten};
pub use hold::Hold;
pub use manifest::{Entry, Manifest, Missing, Reason};
pub use migrations::migrator;
pub use old_program::OldProgram;
pub use orphans::Orphans;
pub use preflight::Preflight;
pub use project_folder::project_folder;
pub use rollback::{Rollback, roll_back};
pub use seed::{Seed, Sown};
pub use step::Step;
pub use storage::Storage;
pub use sweep::{Sweep, sweep};
pub use tree::Tree;
