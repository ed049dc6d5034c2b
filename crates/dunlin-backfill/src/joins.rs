//! How a page is joined with the other tables that its condition asks.

use std::time::Duration;

/// A page of rows looked up one by one takes about 2 µs a row where there is an index. More than this is worth another try.
const SLOW: f64 = 10e-6;

/// Fewer rows than these say little.
const FEWEST_ROWS: usize = 500;

/// Look-ups are not slow that take no longer than this, however small a batch is to be.
const LEAST: Duration = Duration::from_millis(50);

/// Chooses whether the rows of a page are looked up one by one, by an index of the other table, or whether the planner decides: it
/// believes that a look-up reads a page from a disk, and would rather read all of the other table for each page of this one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Joins {
    is_left_to_planner: bool,
    /// Seconds for each row, when it was tried last.
    one_by_one: Option<f64>,
    planned: Option<f64>,
}

impl Joins {
    /// What is set for a page that may take so long.
    pub(crate) fn settings(&self, limit: Duration) -> Option<[(&'static str, String); 4]> {
        let off = || "off".to_owned();
        (!self.is_left_to_planner).then(|| {
            [
                ("enable_hashjoin", off()),
                ("enable_mergejoin", off()),
                ("max_parallel_workers_per_gather", "0".to_owned()),
                ("statement_timeout", format!("{}ms", limit.max(LEAST).as_millis())),
            ]
        })
    }

    /// Learns from a page of so many rows.
    pub(crate) fn took(&mut self, rows: usize, took: Duration) {
        let Some(rows) = u32::try_from(rows).ok().filter(|_| rows >= FEWEST_ROWS) else { return };
        let each = took.as_secs_f64() / f64::from(rows);
        if self.is_left_to_planner {
            self.planned = Some(each);
            self.is_left_to_planner = self.one_by_one.is_none_or(|other| each <= other);
        } else {
            self.one_by_one = Some(each);
            self.is_left_to_planner = each > SLOW && self.planned.is_none_or(|other| other < each);
        }
    }

    /// It took too long: without an index each row reads all of the other table.
    pub(crate) fn cut_off(&mut self) {
        self.one_by_one = Some(f64::INFINITY);
        self.is_left_to_planner = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn quick_look_ups_go_on() {
        let mut joins = Joins::default();
        for _ in 0..10 {
            joins.took(10_000, millis(20));
            assert!(!joins.is_left_to_planner);
        }
    }

    #[test]
    fn of_two_slow_ways_the_quicker_one_is_kept() {
        let mut joins = Joins::default();
        joins.took(10_000, millis(200));
        assert!(joins.is_left_to_planner, "another try");
        joins.took(10_000, millis(100));
        assert!(joins.is_left_to_planner);
        // The other table has grown.
        joins.took(10_000, millis(300));
        assert!(!joins.is_left_to_planner);
        joins.took(10_000, millis(200));
        assert!(!joins.is_left_to_planner);
    }

    #[test]
    fn what_was_cut_off_is_not_tried_again() {
        let mut joins = Joins::default();
        joins.cut_off();
        joins.took(10_000, millis(9_000));
        assert!(joins.is_left_to_planner);
    }

    #[test]
    fn few_rows_say_nothing() {
        let mut joins = Joins::default();
        joins.took(1, millis(100));
        assert!(!joins.is_left_to_planner);
    }
}
