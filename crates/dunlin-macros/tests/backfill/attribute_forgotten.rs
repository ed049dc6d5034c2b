use dunlin_backfill::{Backfill, Row, RowError, Source};

#[derive(Row)]
pub struct Nothing {}

pub struct Migration;

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

fn main() {
    let _ = dunlin::MigrationSet::builder().rust(1, "people", Migration);
}
