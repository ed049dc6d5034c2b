//! The routes of dunlin-axum, and its page in a real browser.

// Helpers may unwrap as tests may: clippy's `allow-unwrap-in-tests` goes by this attribute.
#[cfg(test)]
mod browser;
#[cfg(test)]
mod gate;
#[cfg(test)]
mod probes;
#[cfg(test)]
mod routes;
#[cfg(test)]
mod scenes;
#[cfg(test)]
mod size;
#[cfg(test)]
mod support;
