//! `cargo run --release -p benches --bin compile-cost [-- --peers] [--once] [--clean-only] [--rebuild-only]`: what dunlin adds to
//! the time that a program takes to compile.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "printing is what this program is for")]

mod build;
mod clean;
mod program;
mod rebuild;
mod report;
mod units;
mod workspace;

use benches::Failure;

use crate::program::Program;
use crate::workspace::Workspace;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let known = ["--peers", "--once", "--clean-only", "--rebuild-only"];
    if let Some(unknown) = args.iter().find(|arg| !known.contains(&arg.as_str())) {
        return Err(format!("{unknown}: try {}", known.join(", ")).into());
    }
    let asked = |flag: &str| args.iter().any(|arg| arg == flag);
    let peers: &[Program] = if asked("--peers") { &Program::PEERS } else { &[] };
    let tell = |what: &str| eprintln!("{what}");

    let workspace = Workspace::create(peers)?;
    tell("fetching what is needed ...");
    workspace.fetch()?;
    if !asked("--rebuild-only") {
        println!("{}", clean::measure(&workspace, peers, if asked("--once") { 1 } else { 3 }, &tell)?);
    }
    if !asked("--clean-only") {
        println!("{}", rebuild::measure(&workspace, &tell)?);
    }
    println!(
        "Wall is the shortest of all rounds, CPU the least (user and system, of cargo and all that it starts). Ratios are of \
         those. On a busy machine believe the CPU."
    );
    Ok(())
}
