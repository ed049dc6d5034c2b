//! Counts the words of what release 1 has written since, beside release 2 or after a way back to it.

use dunlin_backfill::{Backfill, Change, Down, Placement, Row, RowError, Settings, Source};

#[derive(Row)]
pub struct Said {
    content: String,
}

#[derive(Change)]
pub struct Counted {
    words: i32,
}

pub struct Migration;

#[dunlin_backfill::migration]
impl Backfill for Migration {
    type Row = Said;
    type Change = Counted;

    fn source(&self) -> Source {
        Source::table("utterances").remaining("words < 0")
    }

    fn settings(&self) -> Settings {
        Settings::default().placement(Placement::PutOff)
    }

    fn convert(&self, said: &Said) -> Result<Option<Counted>, RowError> {
        Ok(Some(Counted { words: crate::count_words(&said.content) }))
    }

    fn down(&self) -> Down {
        Down::nothing()
    }
}
