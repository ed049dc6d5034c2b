//! Starts of services, through the public API, each with its own database.

#[cfg(test)]
mod backfills;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod pools;
#[cfg(test)]
mod readiness;
#[cfg(test)]
mod shutdown;
#[cfg(test)]
mod support;
