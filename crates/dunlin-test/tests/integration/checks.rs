//! The checks, each passing and failing.

mod boots;
mod drops;
mod dumps;
mod resumes;
mod steps;
mod trips;

use dunlin_core::{MigrationSet, SqlMigration};
use dunlin_test::checks;

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

/// So that a test may run several at once, and return its error as any other.
#[test]
fn checks_can_move_between_threads_and_their_error_goes_anywhere() {
    fn is_send(_: &impl Send) {}
    fn is_error<T: std::error::Error + Send + Sync + 'static>() {}
    let set = set(&[]);
    is_send(&checks::each_step(&set));
    is_send(&checks::round_trip(&set));
    is_send(&checks::matches(&set, ""));
    is_send(&checks::resumable(&set));
    is_send(&checks::concurrent_boot(&set, 2));
    is_error::<checks::CheckError>();
    assert_eq!(size_of::<checks::CheckError>(), size_of::<usize>());
}

/// A text that runs outside a transaction.
fn outside(text: &str) -> String {
    format!("-- dunlin: no-transaction\n{text}")
}
