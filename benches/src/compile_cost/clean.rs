//! Building from nothing, in release.

use std::collections::BTreeMap;

use benches::Failure;

use crate::build::{Cargo, Cost};
use crate::program::Program;
use crate::report::{Report, Row};
use crate::units;
use crate::workspace::Workspace;

/// The design's target: at most so many times the bare driver.
const TARGET: f64 = 1.25;

pub(crate) fn measure(
    workspace: &Workspace,
    peers: &[Program],
    rounds: usize,
    tell: &dyn Fn(&str),
) -> Result<Report, Failure> {
    let programs: Vec<_> =
        [Program::BARE, Program::DUNLIN].into_iter().chain(peers.iter().copied()).collect();
    let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); programs.len()];
    let mut crates: Vec<BTreeMap<String, f64>> = vec![BTreeMap::new(); programs.len()];
    for round in 1..=rounds {
        for ((program, costs), crates) in programs.iter().zip(&mut costs).zip(&mut crates) {
            tell(&format!("building {} from nothing, round {round} of {rounds} ...", program.name));
            let target = tempfile::tempdir_in(workspace.path())?;
            let args =
                ["build", "--release", "--offline", "--locked", "--timings", "--package", program.name];
            costs.push(Cargo::new(workspace).args(args).target(target.path()).run()?);
            for (name, seconds) in units::read(target.path())? {
                let least = crates.entry(name).or_insert(f64::MAX);
                *least = least.min(seconds);
            }
        }
    }
    let best = programs.iter().zip(&costs).filter_map(|(program, costs)| Some((program, Cost::best(costs)?)));
    let rows = best.map(|(program, cost)| Row {
        what: program.name.to_owned(),
        cost,
        target: (program.name == Program::DUNLIN.name).then_some(TARGET),
    });
    let rows = rows.collect();
    let [bare, ours, ..] = crates.as_slice() else { return Ok(Report::default()) };
    Ok(Report { title: "release build from nothing".to_owned(), rows, notes: vec![added(bare, ours)] })
}

/// What the second program has that the first has not, or has more of: a crate that both have is built twice where a
/// macro needs it too.
fn added(bare: &BTreeMap<String, f64>, ours: &BTreeMap<String, f64>) -> String {
    let more = |(name, seconds): (&String, &f64)| {
        (name.clone(), seconds - bare.get(name).copied().unwrap_or_default())
    };
    let mut added: Vec<_> = ours.iter().filter(|(name, _)| !name.starts_with("on-")).map(more).collect();
    added.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut text = "Seconds by crate that dunlin adds to bare tokio-postgres, by the least of all rounds; `+` is a crate \
                    that bare tokio-postgres does without:\n"
        .to_owned();
    for (name, seconds) in added.iter().filter(|(_, seconds)| *seconds >= 0.05) {
        let sign = if bare.contains_key(name) { ' ' } else { '+' };
        text.push_str(&format!("\n    {sign} {seconds:5.2}  {name}"));
    }
    let sum = |crates: &BTreeMap<String, f64>| crates.values().sum::<f64>();
    text.push_str(&format!("\n\n    all crates {:.2}, of bare tokio-postgres {:.2}", sum(ours), sum(bare)));
    text
}
