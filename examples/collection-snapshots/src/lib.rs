//! A service that keeps collections, and used to be migrated by a shell script around `psql`.
//!
//! `migrations` takes over from that script on any database: a fresh one, an old one, and one where somebody has run the
//! script by hand, wholly or half way. `legacy` is what the script said.

mod catalog;
mod collections;
mod migrations;

pub use catalog::Table;
pub use collections::{Group, Snapshot, Stats, generate_episode, start_building, stats};
pub use migrations::{Legacy, migrator};
