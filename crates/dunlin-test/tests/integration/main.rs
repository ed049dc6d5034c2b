//! The throw-away server, what is read of a database on it, and the checks that run there, seen from outside.

// Helpers may unwrap as tests may: clippy's `allow-unwrap-in-tests` goes by this attribute.
#[cfg(test)]
mod checks;
#[cfg(test)]
mod child;
#[cfg(test)]
mod databases;
#[cfg(test)]
mod ends;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod fresh;
#[cfg(test)]
mod gives_up;
#[cfg(test)]
mod isolation;
#[cfg(test)]
mod kept;
#[cfg(test)]
mod migrators;
#[cfg(test)]
mod provisioning;
#[cfg(test)]
mod put_off;
#[cfg(test)]
mod reuse;
#[cfg(test)]
mod schemas;
#[cfg(test)]
mod shares;
#[cfg(test)]
mod starts;
