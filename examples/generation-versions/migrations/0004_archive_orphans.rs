//! Moves the generations of projects that are gone to the archive.

use dunlin_backfill::{Backfill, Down, Row, RowError, Source, Write};

#[derive(Row)]
pub struct Orphan {}

pub struct Migration;

#[dunlin_backfill::migration]
impl Backfill for Migration {
    type Row = Orphan;
    type Change = ();

    fn source(&self) -> Source {
        Source::table("generations")
            .remaining("NOT EXISTS (SELECT FROM projects WHERE projects.id = generations.project_id)")
    }

    fn write(&self) -> Write {
        Write::sql(
            "WITH gone AS (DELETE FROM generations USING changes WHERE generations.id = changes.id \
             RETURNING generations.id, project_id, created_at, prompt, parameters, files) \
             INSERT INTO orphaned_generations (id, project_id, created_at, prompt, parameters, files) SELECT * FROM gone",
        )
    }

    fn convert(&self, _: &Orphan) -> Result<Option<()>, RowError> {
        Ok(Some(()))
    }

    /// The migration before puts them back, when it has dropped the foreign key that they are in the way of.
    fn down(&self) -> Down {
        Down::nothing()
    }
}
