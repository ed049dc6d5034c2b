//! `cargo run --release -p benches [boot] [apply] [disk] [replicas] [stall] [fresh] [copies] [backfill] [writers] [probes] [page] [--quick]`: dunlin against the database alone.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "printing is what this program is for")]

use benches::{Failure, Options, run};

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let options = Options::from_args(std::env::args().skip(1))?;
    let (table, notes) = run(&[], &[], &options, |what| eprintln!("{what} ...")).await?;
    println!("{table}");
    for note in notes {
        println!("- {note}");
    }
    Ok(())
}
