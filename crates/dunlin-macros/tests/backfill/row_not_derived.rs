use dunlin_backfill::{Backfill, RowError, Source, migration};

pub struct Nothing {}

pub struct Migration;

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
