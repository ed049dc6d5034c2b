use dunlin_backfill::{Backfill, Row, RowError, Source, migration};

#[derive(Row)]
pub struct Nothing {}

pub struct Migration;

#[migration]
#[migration]
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

fn main() {}
