use dunlin_backfill::{Backfill, Change, Down, Row, RowError, Source};

pub struct Migration;

#[derive(Row)]
pub struct Name {
    first_name: String,
    last_name: String,
}

#[derive(Change)]
pub struct FullName {
    full_name: String,
}

#[dunlin_backfill::migration]
impl Backfill for Migration {
    type Row = Name;
    type Change = FullName;

    const REVISION: u32 = 3;

    fn source(&self) -> Source {
        Source::table("users").remaining("full_name IS NULL")
    }

    fn convert(&self, name: &Name) -> Result<Option<FullName>, RowError> {
        let Name { first_name, last_name } = name;
        Ok(Some(FullName { full_name: format!("{first_name} {last_name}") }))
    }

    fn down(&self) -> Down {
        Down::nothing()
    }
}
