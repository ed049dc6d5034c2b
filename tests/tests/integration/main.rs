//! Integration tests through the public API, in one binary, each with its own database. One module per topic.

// Helpers may unwrap as tests may: clippy's `allow-unwrap-in-tests` goes by this attribute.
#[cfg(test)]
mod proxy;

#[cfg(test)]
mod apply;
#[cfg(test)]
mod attribute;
#[cfg(test)]
mod backfills;
#[cfg(test)]
mod beside;
#[cfg(test)]
mod boot;
#[cfg(test)]
mod concurrent;
#[cfg(test)]
mod deadpool;
#[cfg(test)]
mod diagnosis;
#[cfg(test)]
mod down;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod flights;
#[cfg(test)]
mod fresh;
#[cfg(test)]
mod hooks;
#[cfg(test)]
mod outside;
#[cfg(test)]
mod policies;
#[cfg(test)]
mod poolers;
#[cfg(test)]
mod progress;
#[cfg(test)]
mod reconnect;
#[cfg(test)]
mod requirements;
#[cfg(test)]
mod roles;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod splitter;
#[cfg(test)]
mod state_machine;
#[cfg(test)]
mod stop;
#[cfg(test)]
mod support;
#[cfg(test)]
mod watch;

#[cfg(test)]
mod sweeps;

#[cfg(test)]
mod checks;
#[cfg(test)]
mod corpora;
#[cfg(test)]
mod hygiene;
