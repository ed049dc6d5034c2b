//! What dunlin costs, measured against the database alone and, with the contestants of the package `peers`, against
//! other libraries: as ratios of one run, on a throw-away server.
//!
//! A contestant is anything that takes migrations to a database ([`Contestant`]). The measurements know nothing else
//! of it, so that all are treated alike.

mod contestant;
mod place;
mod script;

mod baseline;
mod ours;

mod anew;
mod bare;
mod maintenance;
mod supply;
mod test_databases;

mod labels;
mod sightings;

mod arena;
mod markdown;
mod memory;
mod options;
mod samples;
mod table;
mod traffic;
mod written;

mod apply;
mod backfill;
mod boot;
mod copies;
mod fresh;
mod page;
mod probes;
mod replicas;
mod stall;
mod suite;
mod writers;

pub use crate::{
    anew::Anew,
    baseline::{Batch, SelectOne},
    contestant::{Contestant, Failure, Opened, Prepared},
    options::{Options, Section},
    ours::Dunlin,
    place::Place,
    script::Script,
    suite::run,
    supply::{Supplied, Supplier, Supply},
    table::Table,
};
