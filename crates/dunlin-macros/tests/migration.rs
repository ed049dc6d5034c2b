//! What `#[dunlin_backfill::migration]` becomes: a migration beside the backfill.

use std::marker::PhantomData;

use dunlin::{Checksum, RustMigration, TransactionMode, embed};
use dunlin_backfill::{Backfill, Change, Down, Row, RowError, Source, migration};

#[derive(Row)]
struct Name {
    name: String,
}

#[derive(Change)]
struct Upper {
    upper: String,
}

struct Plain;

#[migration]
impl Backfill for Plain {
    type Row = Name;
    type Change = Upper;

    fn source(&self) -> Source {
        Source::table("names").remaining("upper IS NULL")
    }

    fn convert(&self, row: &Name) -> Result<Option<Upper>, RowError> {
        // A function of a function is none of the migration.
        fn down(name: &str) -> String {
            name.to_uppercase()
        }
        Ok(Some(Upper { upper: down(&row.name) }))
    }
}

struct Reversible<T>(PhantomData<fn() -> T>);

#[migration]
impl<T> Backfill for Reversible<T>
where
    T: Change,
    Vec<T>: Send,
{
    type Row = Name;
    type Change = T;

    const REVISION: u32 = 7;

    fn source(&self) -> Source {
        Source::table("names").remaining("upper IS NULL")
    }

    fn convert(&self, _: &Name) -> Result<Option<T>, RowError> {
        Ok(None)
    }

    #[allow(clippy::needless_pass_by_ref_mut)]
    #[cfg(test)]
    fn down(&self) -> Down {
        Down::nothing()
    }
}

struct NotHere;

#[migration]
impl Backfill for NotHere {
    #![allow(clippy::all)]

    type Row = Name;
    type Change = ();

    fn source(&self) -> Source {
        Source::table("names").remaining("true")
    }

    fn convert(&self, _: &Name) -> Result<Option<()>, RowError> {
        Ok(None)
    }

    #[cfg(all(test, not(test)))]
    fn down(&self) -> Down {
        Down::nothing()
    }
}

#[migration]
#[cfg(any())]
impl Backfill for NobodyKnows {}

#[test]
fn a_backfill_can_be_reverted_if_it_says_how() {
    // Where `down` is compiled out there is none.
    let reversible = [Plain::REVERSIBLE, Reversible::<Upper>::REVERSIBLE, NotHere::REVERSIBLE];
    assert_eq!(reversible, [false, true, false]);
}

#[test]
fn the_revision_is_that_of_the_backfill() {
    assert_eq!(<Plain as RustMigration>::REVISION, 1);
    assert_eq!(<Reversible<Upper> as RustMigration>::REVISION, 7);
}

#[test]
fn a_backfill_runs_outside_a_transaction() {
    assert_eq!(<Plain as RustMigration>::TRANSACTION, TransactionMode::None);
}

#[test]
fn a_file_of_a_folder_may_be_a_backfill() {
    let set = embed!("tests/backfills");
    let migration = &**set.iter().next().unwrap();
    assert_eq!(migration.id().to_string(), "1 (full_names)");
    assert_eq!(migration.checksum(), Checksum::Revision(3));
    assert!(migration.is_reversible());
    assert_eq!(migration.transaction(), TransactionMode::None);
}
