use std::time::Duration;

/// When the rows of a backfill are written: [`Settings::placement`](crate::Settings::placement) says it for all programs, and one given to
/// [`Migrator::resource`](dunlin_core::Migrator::resource) for all backfills of one program.
///
/// ```
/// # fn f(set: dunlin_core::MigrationSet) {
/// use dunlin_backfill::Placement;
/// use dunlin_core::{Gate, Migrator};
///
/// // A service that boots at once, and leaves the rows to a worker.
/// let service = Migrator::new(set).resource(Placement::PutOff).gate(Gate::Refuse);
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Placement {
    /// In the run that applies the migration: a boot takes as long as it takes.
    #[default]
    Inline,
    /// In that run for so long at most. What is left then is put off.
    InlineFor(Duration),
    /// After it. The migration is applied at once, and the rows are written by whoever calls
    /// [`Migrator::finish_backfills`](dunlin_core::Migrator::finish_backfills): the service in the background, or a program of its
    /// own. A later migration that can't do without says so, with `-- dunlin: requires-backfill = name`.
    PutOff,
}
