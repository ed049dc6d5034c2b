use std::time::SystemTime;

use dunlin_backfill::{Backfill, Budget, Down, Row, RowError, Settings, Source, Write};

use crate::period_zero::FirstPeriod;
use crate::period_zero::first_period::Facts;

/// Makes the period 0 of each topic that has contents.
#[derive(Clone, Copy, Debug)]
pub struct Topics;

/// A topic that has no period yet.
#[derive(Row)]
pub struct Topic {
    #[row(
        sql = "(SELECT min(published_at) FROM contents WHERE entity_type = 'topic' AND entity_id = topics.id)"
    )]
    first: Option<SystemTime>,
    #[row(
        sql = "(SELECT max(published_at) FROM contents WHERE entity_type = 'topic' AND entity_id = topics.id)"
    )]
    last: Option<SystemTime>,
    #[row(sql = "(SELECT count(*) FROM contents WHERE entity_type = 'topic' AND entity_id = topics.id)")]
    contents: i64,
    #[row(sql = "deleted_at IS NOT NULL")]
    is_deleted: bool,
    #[row(sql = "summary_data::text")]
    summary: Option<String>,
}

impl Backfill for Topics {
    type Row = Topic;
    type Change = FirstPeriod;

    fn source(&self) -> Source {
        Source::table("topics").remaining("current_period_number IS NULL")
    }

    fn convert(&self, topic: &Topic) -> Result<Option<FirstPeriod>, RowError> {
        FirstPeriod::of(&Facts {
            first: topic.first,
            last: topic.last,
            contents: topic.contents,
            is_deleted: topic.is_deleted,
            summary: topic.summary.as_deref(),
        })
    }

    fn write(&self) -> Write {
        FirstPeriod::write("topic", "topics")
    }

    /// A topic that is set aside would be one without a period.
    fn settings(&self) -> Settings {
        Settings::default().budget(Budget::NONE)
    }

    /// The migrations before drop the periods, and the columns that tell of them.
    fn down(&self) -> Down {
        Down::nothing()
    }
}
