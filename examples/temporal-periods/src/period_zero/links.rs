use dunlin_backfill::{Backfill, Budget, Change, Down, Row, RowError, Settings, Source};

/// Links each content to the period 0 that it is in.
///
/// It goes by contents, not by entities: a topic that has half of all contents is many small batches, like any other.
#[derive(Clone, Copy, Debug)]
pub struct Links;

/// A content that has no period yet.
#[derive(Row)]
pub struct Content {
    /// What is published after its entity's period 0 is that of a later one.
    #[row(sql = "(SELECT p.id FROM analysis_periods AS p
        WHERE p.entity_type = contents.entity_type AND p.entity_id = contents.entity_id AND p.period_number = 0
            AND contents.published_at BETWEEN p.started_at AND p.ended_at)")]
    period: Option<i64>,
}

/// The period that it is in.
#[derive(Change, Clone, Copy, Debug)]
pub struct Link {
    analysis_period_id: i64,
}

impl Backfill for Links {
    type Row = Content;
    type Change = Link;

    fn source(&self) -> Source {
        Source::table("contents").remaining("analysis_period_id IS NULL")
    }

    /// The content of an entity that is gone stays as it is.
    fn convert(&self, content: &Content) -> Result<Option<Link>, RowError> {
        Ok(content.period.map(|analysis_period_id| Link { analysis_period_id }))
    }

    fn settings(&self) -> Settings {
        Settings::default().budget(Budget::NONE)
    }

    /// A migration before drops the column.
    fn down(&self) -> Down {
        Down::nothing()
    }
}
