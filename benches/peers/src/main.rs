//! `cargo run --release -p peers [boot] [apply] [disk] [replicas] [stall] [fresh] [copies] [backfill] [--quick]`: dunlin, the database alone, and the peers.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "printing is what this program is for")]

use benches::{Anew, Contestant, Failure, Options, Supplier, run};
use peers::{Diesel, Refinery, SeaOrm, Sqlx, SqlxTest};

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let options = Options::from_args(std::env::args().skip(1))?;
    let peers: [&dyn Contestant; 4] = [&Refinery, &Sqlx, &Diesel, &SeaOrm];
    let suppliers: [&dyn Supplier; 2] = [&SqlxTest, &Anew(Refinery)];
    let (table, notes) = run(&peers, &suppliers, &options, |what| eprintln!("{what} ...")).await?;
    println!("{table}");
    for note in notes {
        println!("- {note}");
    }
    Ok(())
}
