//! Period 0: what there was of an entity before there were periods, from its first content to its last one.
//!
//! Four backfills, in this order: [`Topics`] and [`Users`] make a period for each that has contents, [`Links`] tells the contents, and
//! [`Counts`] counts again where contents came meanwhile.
//! - **Without contents** there is no period: they are skipped, and counted as such.
//! - **Marked as deleted** (`deleted_at`): their period is made like any other, with the status `archived` instead of `active`.
//! - **Really gone**, with contents that are still there: nobody knows any more what these belong to. They are left as they are, without
//!   a period, skipped and counted.

mod counts;
mod first_period;
mod links;
mod summary;
mod topics;
mod users;

pub use counts::Counts;
pub use first_period::FirstPeriod;
pub use links::Links;
pub use summary::Summary;
pub use topics::Topics;
pub use users::Users;
