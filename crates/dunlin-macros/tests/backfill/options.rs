use dunlin_backfill::{Backfill, Row, RowError, Source, migration};

#[derive(Row)]
pub struct Nothing {}

pub struct Migration;

#[migration(workers = 2, retry)]
impl Backfill for Migration {
    type Row = Nothing;
    type Change = ();

    fn source(&self) -> Source {
        Source::table("people").remaining("true")
    }

    fn convert(&self, _: &Nothing) -> Result<Option<()>, RowError> {
        Ok(None)
    }
}

fn is_migration<T: dunlin::RustMigration>() {}

// It is one nevertheless.
fn test() {
    is_migration::<Migration>();
}

fn main() {}
