//! Typed backfills, as migrations and against a database that lives.

// Helpers may unwrap as tests may: clippy's `allow-unwrap-in-tests` goes by this attribute.
#[cfg(test)]
mod copies;
#[cfg(test)]
mod dry_run;
#[cfg(test)]
mod filled;
mod fills;
#[cfg(test)]
mod health;
#[cfg(test)]
mod operators;
#[cfg(test)]
mod parts;
#[cfg(test)]
mod placement;
#[cfg(test)]
mod poison;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod resumes;
#[cfg(test)]
mod shapes;
#[cfg(test)]
mod support;
#[cfg(test)]
mod writers;
