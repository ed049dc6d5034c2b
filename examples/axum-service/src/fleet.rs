//! Replicas as processes, a proxy before them, and people who send requests: what an orchestrator does, as far as an example needs it.

#![expect(clippy::indexing_slicing, reason = "what JSON does not have is null")]

mod client;
mod copies;
mod load;
mod process;
mod proxy;
mod site;
mod termination;

pub use client::Client;
pub use copies::Copies;
pub use load::{Load, Tally};
pub use process::Process;
pub use proxy::Proxy;
pub use site::{REPLICAS, Site, Started};
pub use termination::Termination;
