//! The checks, each passing and failing.

mod boots;
mod dumps;
mod resumes;
mod steps;
mod trips;

use dunlin_core::{MigrationSet, SqlMigration};

/// Migrations 1, 2, 3, ... of up and down scripts; an empty down is none.
fn set(scripts: &[(&str, &str)]) -> MigrationSet {
    let set = scripts.iter().zip(1..).fold(MigrationSet::builder(), |set, ((up, down), version)| {
        let migration = SqlMigration::new(version, format!("m{version}"), up).unwrap();
        set.migration(match *down {
            "" => migration,
            down => migration.with_down(down).unwrap(),
        })
    });
    set.build().unwrap()
}

/// A text that runs outside a transaction.
fn outside(text: &str) -> String {
    format!("-- dunlin: no-transaction\n{text}")
}
