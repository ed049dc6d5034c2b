//! Counts the words of what was said before release 2, with the function that release 2 counts with.
//!
//! It is put off: a replica is ready without it, and counts what has not been counted when it is asked for.

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
        Source::table("utterances").remaining("words IS NULL")
    }

    fn settings(&self) -> Settings {
        Settings::default().placement(Placement::PutOff)
    }

    fn convert(&self, said: &Said) -> Result<Option<Counted>, RowError> {
        Ok(Some(Counted { words: crate::count_words(&said.content) }))
    }

    /// The column goes with the migration that has brought it.
    fn down(&self) -> Down {
        Down::nothing()
    }
}
