use std::future::Future;

use dunlin_core::{BoxError, Migrator};

use crate::{Change, Down, Row, RowError, Settings, Source, Write};

/// A change of data, row by row: what is read, what becomes of it, and how to tell that it is done.
///
/// The library does the rest: it pages through the table, writes in small transactions that it steers to a time, keeps its place with what it
/// has written, goes on after a crash, looks after whatever was missed, and says what it has done. [`convert`](Self::convert) is
/// a pure function, and is tested as one.
///
/// With [`#[migration]`](macro@crate::migration) on its `impl` it is a migration: an `.rs` file in the folder of the others, in their
/// order.
///
/// ```
/// use dunlin_backfill::{Backfill, Change, Row, RowError, Source};
///
/// #[derive(Row)]
/// pub struct Name {
///     first_name: String,
///     last_name: String,
/// }
///
/// #[derive(Change)]
/// pub struct FullName {
///     full_name: String,
/// }
///
/// pub struct Migration;
///
/// #[dunlin_backfill::migration]
/// impl Backfill for Migration {
///     type Row = Name;
///     type Change = FullName;
///
///     fn source(&self) -> Source {
///         Source::table("users").remaining("full_name IS NULL")
///     }
///
///     fn convert(&self, name: &Name) -> Result<Option<FullName>, RowError> {
///         let Name { first_name, last_name } = name;
///         Ok(Some(FullName { full_name: format!("{first_name} {last_name}") }))
///     }
/// }
/// # fn main() {}
/// ```
pub trait Backfill: Send + Sync + 'static {
    /// What is read of each row.
    type Row: Row;

    /// What is written for it.
    type Change: Change;

    /// Its declared revision, which takes the place of a checksum: raise it when a change should count as an edit.
    const REVISION: u32 = 1;

    /// The rows that it is about.
    fn source(&self) -> Source;

    /// Says what becomes of a row: `Ok(None)` leaves it as it is.
    ///
    /// It may be called more than once for a row, also in a dry run, and by several threads at once: it has no effects and
    /// looks at nothing but the row.
    ///
    /// # Errors
    ///
    /// The row is poison: it is set aside, and the backfill goes on until there are more of them than
    /// [`Settings::budget`] allows.
    fn convert(&self, row: &Self::Row) -> Result<Option<Self::Change>, RowError>;

    /// What is done with the changes; by default the columns are set in the row that was read.
    fn write(&self) -> Write {
        Write::update()
    }

    /// How fast, how many at once, and how much may go wrong.
    fn settings(&self) -> Settings {
        Settings::default()
    }

    /// What undoes it. Without it the migration can't be reverted.
    fn down(&self) -> Down {
        Down::none()
    }

    /// Fills in what does not come from the source: called with the rows of a batch before they are converted, so that a service is asked
    /// once for all of them. The migrator has the application's [resources](Migrator::resource_of).
    ///
    /// # Errors
    ///
    /// Any error ends the backfill, which goes on with this batch when it is called again.
    fn enrich(
        &self,
        rows: &mut [Self::Row],
        migrator: &Migrator,
    ) -> impl Future<Output = Result<(), BoxError>> + Send {
        let _ = (rows, migrator);
        async { Ok(()) }
    }
}
