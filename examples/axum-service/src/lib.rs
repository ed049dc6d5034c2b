//! A small service that keeps threads of conversation, and boots as replicas that migrate while they answer.
//!
//! `release` is how it knows its migrations, `replica` how it starts and ends; those two are what dunlin is about. Then comes what services
//! are made of: routes, a pool, errors, a log. `fleet` runs replicas as processes behind a proxy, for the demonstration and the tests.

mod release;
mod replica;

mod service;

mod api_error;
mod call_log;
mod clusters;
mod conversations;
mod search;
mod utterances;
mod words;

pub mod fleet;
mod seed;

pub use api_error::ApiError;
pub use call_log::CallLog;
pub use release::Release;
pub use replica::{Replica, terminated};
pub use seed::seed;
pub use service::Service;
pub use words::count_words;
