//! Numbers the generations of each project in the order of their creation; the newest is the active one.
//!
//! A project is numbered while its row is locked. Who creates a generation needs that lock as well, so none is forgotten and
//! none has a number twice.

use dunlin_backfill::{Backfill, Down, Row, RowError, Source, Write};

#[derive(Row)]
pub struct Project {}

pub struct Migration;

#[dunlin_backfill::migration]
impl Backfill for Migration {
    type Row = Project;
    type Change = ();

    fn source(&self) -> Source {
        Source::table("projects").remaining("latest_version IS NULL")
    }

    fn write(&self) -> Write {
        Write::sql(
            "WITH numbered AS (
                UPDATE generations AS g SET version = n.version, is_active = n.version = n.count
                FROM (
                    SELECT id, count(*) OVER (PARTITION BY project_id) AS count,
                        row_number() OVER (PARTITION BY project_id ORDER BY created_at, id) AS version
                    FROM generations WHERE project_id IN (SELECT id FROM changes)
                ) AS n
                WHERE n.id = g.id
                RETURNING g.id, g.project_id, g.version, g.is_active
            )
            UPDATE projects AS p SET latest_version = coalesce(n.version, 0), active_generation_id = n.id
            FROM changes LEFT JOIN numbered AS n ON n.project_id = changes.id AND n.is_active
            WHERE p.id = changes.id",
        )
    }

    fn convert(&self, _: &Project) -> Result<Option<()>, RowError> {
        Ok(Some(()))
    }

    /// The columns go with the migration before.
    fn down(&self) -> Down {
        Down::nothing()
    }
}
