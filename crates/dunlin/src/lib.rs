//! PostgreSQL migrations for Rust services.

#![deny(missing_docs)]

pub use dunlin_core::*;
pub use dunlin_macros::embed;

#[doc(hidden)]
pub use dunlin_core::embedded as __private;
