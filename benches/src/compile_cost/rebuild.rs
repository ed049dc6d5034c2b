//! Building again after a change.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use benches::Failure;

use crate::build::{Cargo, Cost};
use crate::program::Program;
use crate::report::{Report, Row};
use crate::workspace::Workspace;

const ROUNDS: usize = 7;

/// The target: at most so many times a build that embeds none.
const TARGET: f64 = 1.5;

pub(crate) fn measure(workspace: &Workspace, tell: &dyn Fn(&str)) -> Result<String, Failure> {
    let target = workspace.path().join("target");
    let none = workspace.package(&Program::NONE).join("src/main.rs");
    let thousand = workspace.package(&Program::THOUSAND);
    let main = thousand.join("src/main.rs");
    let file = first_of(&thousand.join("migrations"))?;
    let mut reports = Vec::new();
    for verb in ["check", "build"] {
        let cases = [
            ("embeds none, main.rs changed", Program::NONE, Change::Main(&none), None),
            ("embeds 1,000, main.rs changed", Program::THOUSAND, Change::Main(&main), None),
            ("embeds 1,000, one .sql changed", Program::THOUSAND, Change::Sql(&file), Some(TARGET)),
        ];
        let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); cases.len()];
        tell(&format!("`cargo {verb}` after a change ..."));
        for round in 0..=ROUNDS {
            for ((_, program, change, _), costs) in cases.iter().zip(&mut costs) {
                change.make()?;
                let args = [verb, "--offline", "--locked", "--package", program.name];
                let cost = Cargo::new(workspace).args(args).target(&target).run()?;
                // The first round builds the dependencies.
                if round > 0 {
                    costs.push(cost);
                }
            }
        }
        let rows = cases.iter().zip(&costs).filter_map(|((what, .., target), costs)| {
            // `check` has no target: next to its nothing, anything is much.
            let target = target.filter(|_| verb == "build");
            Some(Row { what: (*what).to_owned(), cost: Cost::best(costs)?, target })
        });
        let title = format!("`cargo {verb}` again, debug");
        reports.push(Report { title, rows: rows.collect(), notes: Vec::new() }.to_string());
    }
    Ok(reports.join("\n"))
}

/// A small change to a program, of which something is to be seen in the result.
enum Change<'a> {
    /// Another text that `main` prints.
    Main(&'a Path),
    /// One more statement.
    Sql(&'a Path),
}

impl Change<'_> {
    fn make(&self) -> Result<(), Failure> {
        match self {
            Self::Main(file) => {
                let text = fs::read_to_string(file)?;
                Ok(fs::write(file, text.replacen("build ", "build 1", 1))?)
            }
            Self::Sql(file) => Ok(OpenOptions::new().append(true).open(file)?.write_all(b"SELECT 1;\n")?),
        }
    }
}

/// The first file of a folder, by name.
fn first_of(folder: &Path) -> Result<PathBuf, Failure> {
    let mut files =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, Failure>>()?;
    files.sort();
    files.into_iter().next().ok_or_else(|| "no migrations".into())
}
