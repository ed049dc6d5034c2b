use dunlin_backfill::{Backfill, Budget, Change, Down, Row, RowError, Settings, Source};

/// Counts the contents of each period 0 again, where the crawler has gone on while they were linked.
///
/// Where nobody writes it finds nothing to do.
#[derive(Clone, Copy, Debug)]
pub struct Counts;

/// A period that has other contents than it says.
#[derive(Row)]
pub struct Miscounted {
    #[row(sql = "(SELECT count(*) FROM contents AS c
        WHERE c.entity_type = analysis_periods.entity_type AND c.entity_id = analysis_periods.entity_id
            AND c.analysis_period_id = analysis_periods.id)")]
    linked: i64,
}

/// How many it has.
#[derive(Change, Clone, Copy, Debug)]
pub struct Count {
    content_count: i64,
}

impl Backfill for Counts {
    type Row = Miscounted;
    type Change = Count;

    fn source(&self) -> Source {
        let is_miscounted = "content_count <> (SELECT count(*) FROM contents AS c
            WHERE c.entity_type = analysis_periods.entity_type AND c.entity_id = analysis_periods.entity_id
                AND c.analysis_period_id = analysis_periods.id)";
        Source::table("analysis_periods").remaining(is_miscounted).filter("period_number = 0")
    }

    fn convert(&self, period: &Miscounted) -> Result<Option<Count>, RowError> {
        Ok(Some(Count { content_count: period.linked }))
    }

    fn settings(&self) -> Settings {
        Settings::default().budget(Budget::NONE)
    }

    /// A migration before drops the table.
    fn down(&self) -> Down {
        Down::nothing()
    }
}
