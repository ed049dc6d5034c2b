use dunlin_backfill::{Backfill, Row, RowError, Source, migration};

#[derive(Row)]
pub struct Nothing {}

pub struct Migration<T>(T);

#[migration]
impl<T: Send + Sync> Backfill for Migration<T> {
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
