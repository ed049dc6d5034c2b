//! `cargo run --release -p peers [boot] [apply] [disk] [replicas] [stall] [--quick]`: dunlin, the database alone, and the peers.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "printing is what this program is for")]

use benches::{Failure, Options, run};
use peers::{Diesel, Refinery, SeaOrm, Sqlx};

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let options = Options::from_args(std::env::args().skip(1))?;
    let (table, notes) =
        run(&[&Refinery, &Sqlx, &Diesel, &SeaOrm], &options, |what| eprintln!("{what} ...")).await?;
    println!("{table}");
    for note in notes {
        println!("- {note}");
    }
    Ok(())
}
