//! How a template is copied, by size and place.

use crate::arena::Arena;
use crate::bare::{BareConnection, BareCopy};
use crate::fresh::{Seat, interleaved};
use crate::table::Row;
use crate::test_databases::{Found, TestDatabases};
use crate::{Failure, Options, Script, Supplier, Table};

/// About 100 MB.
const MANY_ROWS: &str = "CREATE TABLE sighting (id bigint PRIMARY KEY, note text NOT NULL);\n\
    INSERT INTO sighting SELECT n, repeat('dunlin ', 30) FROM generate_series(1, 370000) AS n;";

pub(crate) async fn measure(
    arena: &Arena,
    place: &str,
    options: &Options,
    table: &mut Table,
) -> Result<(), Failure> {
    let small = Script::paired(100);
    let fill = Script { version: 101, name: "sightings".to_owned(), sql: MANY_ROWS.to_owned() };
    let large = small.iter().cloned().chain([fill]).collect();
    for (scripts, size) in [(small, "50 tables"), (large, "50 tables and 100 MB of rows")] {
        let used = TestDatabases { server: arena.server().clone(), found: Found::Used };
        let suppliers: [&dyn Supplier; 4] =
            [&BareCopy("WAL_LOG"), &BareCopy("FILE_COPY"), &used, &BareConnection];
        let seats = Seat::all(arena, &suppliers, &scripts).await?;
        for (tests, rounds) in [(1, 6), (8, 3)] {
            let samples = interleaved(arena, &seats, tests, options.rounds(rounds)).await?;
            let base = samples.first().cloned().unwrap_or_default();
            let rows = seats.iter().zip(&samples).map(|(seat, samples)| Row {
                contestant: seat.name.clone(),
                time: samples.median(),
                ratio: samples.ratio(&base),
                ..Row::default()
            });
            table.push(&format!("{size}, {place}, {tests} at once"), rows);
        }
    }
    Ok(())
}
