//! A crawler's schema gets a temporal layer: topics and users are followed in periods from now on, and what there was before becomes
//! period 0 of each.
//!
//! `migrations` has it all; [`period_zero`] is the backfill that the last of them runs. Around it is what an operator does: generate
//! something to try it on, look at it, dry run, verify, refresh, roll back.

pub mod period_zero;

mod checks;
mod definition;
mod generate;
mod migrations;
mod preflight;
mod survey;
mod teller;
mod trend;

pub use checks::{Checked, Checks};
pub use definition::{catalog, definition};
pub use generate::Generator;
pub use migrations::{LAYER, OLD_SCHEMA, TABLES_AND_VIEWS, migrator};
pub use preflight::{PreflightError, preflight};
pub use survey::Survey;
pub use teller::{Teller, Told};
pub use trend::{Refreshed, Trend};
