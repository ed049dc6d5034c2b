//! The desk of a club that lends tools to its members, as a small service would have it: a store on top of a pool, rules that
//! the database enforces, errors that say which of them was broken.
//!
//! It is here for its tests: see `src/tests.rs`, `tests/migrations.rs` and README.md.

mod desk;
mod desk_error;
mod member;
mod returns;
mod tool;

#[cfg(test)]
mod tests;

pub use desk::Desk;
pub use desk_error::DeskError;
pub use member::Member;
pub use returns::Returns;
pub use tool::Tool;

/// The folder `migrations` next to Cargo.toml, read and checked when this is compiled.
#[must_use]
pub fn migrations() -> dunlin::MigrationSet {
    dunlin::embed!("migrations")
}
