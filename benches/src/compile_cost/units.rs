//! Where the time of a build goes, from the report of `cargo build --timings`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use benches::Failure;
use serde::Deserialize;

/// A unit of work in the report.
#[derive(Debug, Deserialize)]
struct Unit {
    name: String,
    version: String,
    duration: f64,
}

/// Reads the seconds of each crate, build scripts included. They overlap where two are built at once.
pub(crate) fn read(target: &Path) -> Result<BTreeMap<String, f64>, Failure> {
    let html = fs::read_to_string(target.join("cargo-timings/cargo-timing.html"))?;
    let json = html.split_once("const UNIT_DATA = ").and_then(|(_, rest)| rest.split_once("\n];"));
    let (json, _) = json.ok_or("cargo's report of timings is not what it used to be")?;
    let units: Vec<Unit> = serde_json::from_str(&format!("{json}\n]"))?;
    let mut crates = BTreeMap::new();
    for Unit { name, version, duration } in units {
        *crates.entry(format!("{name} {version}")).or_insert(0.0) += duration;
    }
    Ok(crates)
}
