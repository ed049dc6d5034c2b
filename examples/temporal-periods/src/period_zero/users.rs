use std::time::SystemTime;

use dunlin_backfill::{Backfill, Budget, Down, Row, RowError, Settings, Source, Write};

use crate::period_zero::FirstPeriod;
use crate::period_zero::first_period::Facts;

/// Makes the period 0 of each user that has contents.
#[derive(Clone, Copy, Debug)]
pub struct Users;

/// A user that has no period yet.
#[derive(Row)]
pub struct User {
    #[row(
        sql = "(SELECT min(published_at) FROM contents WHERE entity_type = 'user' AND entity_id = users.id)"
    )]
    first: Option<SystemTime>,
    #[row(
        sql = "(SELECT max(published_at) FROM contents WHERE entity_type = 'user' AND entity_id = users.id)"
    )]
    last: Option<SystemTime>,
    #[row(sql = "(SELECT count(*) FROM contents WHERE entity_type = 'user' AND entity_id = users.id)")]
    contents: i64,
    #[row(sql = "deleted_at IS NOT NULL")]
    is_deleted: bool,
    #[row(sql = "summary_data::text")]
    summary: Option<String>,
}

impl Backfill for Users {
    type Row = User;
    type Change = FirstPeriod;

    fn source(&self) -> Source {
        Source::table("users").remaining("current_period_number IS NULL")
    }

    fn convert(&self, user: &User) -> Result<Option<FirstPeriod>, RowError> {
        FirstPeriod::of(&Facts {
            first: user.first,
            last: user.last,
            contents: user.contents,
            is_deleted: user.is_deleted,
            summary: user.summary.as_deref(),
        })
    }

    fn write(&self) -> Write {
        FirstPeriod::write("user", "users")
    }

    /// A user that is set aside would be one without a period.
    fn settings(&self) -> Settings {
        Settings::default().budget(Budget::NONE)
    }

    /// The migrations before drop the periods, and the columns that tell of them.
    fn down(&self) -> Down {
        Down::nothing()
    }
}
