use std::time::SystemTime;

use dunlin_backfill::{Change, RowError, Write};

use crate::period_zero::Summary;

/// The period 0 of an entity.
#[derive(Change, Clone, Debug, PartialEq, Eq)]
pub struct FirstPeriod {
    #[change(cast = "timestamptz")]
    started_at: SystemTime,
    #[change(cast = "timestamptz")]
    ended_at: SystemTime,
    #[change(cast = "bigint")]
    content_count: i64,
    #[change(cast = "text")]
    status: &'static str,
    #[change(cast = "text")]
    insights: String,
    #[change(cast = "text")]
    metrics: String,
}

/// What is known of an entity, be it a topic or a user.
pub(super) struct Facts<'a> {
    /// Of its contents, if there are any.
    pub(super) first: Option<SystemTime>,
    pub(super) last: Option<SystemTime>,
    pub(super) contents: i64,
    pub(super) is_deleted: bool,
    pub(super) summary: Option<&'a str>,
}

impl FirstPeriod {
    /// None for an entity without contents.
    pub(super) fn of(facts: &Facts<'_>) -> Result<Option<Self>, RowError> {
        let (Some(started_at), Some(ended_at)) = (facts.first, facts.last) else { return Ok(None) };
        let Summary { insights, metrics } = Summary::of(facts.summary)?;
        let status = if facts.is_deleted { "archived" } else { "active" };
        Ok(Some(Self { started_at, ended_at, content_count: facts.contents, status, insights, metrics }))
    }

    /// Makes the periods, and tells the entities of this table.
    pub(super) fn write(entity_type: &str, table: &str) -> Write {
        Write::sql(format!(
            "WITH made AS (
                INSERT INTO analysis_periods
                    (entity_type, entity_id, period_number, started_at, ended_at, content_count, status, insights, metrics)
                SELECT '{entity_type}', id, 0, started_at, ended_at, content_count, status, insights::jsonb, metrics::jsonb
                FROM changes
                RETURNING id, entity_id, started_at, duration_hours
            )
            UPDATE {table}
            SET current_period_number = 0, last_period_id = made.id, total_periods = 1,
                first_analysis_at = made.started_at, avg_period_duration_hours = made.duration_hours
            FROM made
            WHERE {table}.id = made.entity_id"
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn facts() -> Facts<'static> {
        let hours = |hours: u64| Some(UNIX_EPOCH + Duration::from_secs(3_600 * hours));
        Facts {
            first: hours(1),
            last: hours(5),
            contents: 3,
            is_deleted: false,
            summary: Some(r#"{"heat":1}"#),
        }
    }

    #[test]
    fn a_period_goes_from_the_first_content_to_the_last() {
        let period = FirstPeriod::of(&facts()).unwrap().unwrap();
        let lasts = period.ended_at.duration_since(period.started_at).unwrap();
        assert_eq!((lasts.as_secs(), period.content_count, period.status), (4 * 3_600, 3, "active"));
        assert_eq!((period.insights.as_str(), period.metrics.as_str()), ("{}", r#"{"heat":1}"#));
    }

    #[test]
    fn who_is_marked_as_deleted_has_an_archived_one() {
        let period = FirstPeriod::of(&Facts { is_deleted: true, ..facts() }).unwrap().unwrap();
        assert_eq!(period.status, "archived");
    }

    #[test]
    fn who_has_no_contents_has_none() {
        let facts = Facts { first: None, last: None, contents: 0, ..facts() };
        assert_eq!(FirstPeriod::of(&facts).unwrap(), None);
    }
}
