//! In how many transactions a batch is written.

/// As many as pay: each prunes what the one before has left dead, and 6 of 7 find room on their rows' own pages. With more the table grows no
/// less, as new versions are larger than old ones; with fewer it does.
const USUAL: usize = 7;

/// A stripe of fewer rows than these costs more than it gains.
const FEWEST_ROWS: usize = 100;

/// Fewer updates than these of a hundred that stay on their page are not worth the commits.
const WORTH: u64 = 30;

/// So many batches in a row must show it.
const PATIENCE: u32 = 3;

/// After so many batches in one transaction each it is tried again: a long snapshot may be gone.
const TRY_AGAIN: u32 = 32;

/// Chooses the number of stripes by what the server counts: updates that stay on their page (HOT).
#[derive(Clone, Debug)]
pub(crate) struct Stripes {
    wanted: Option<usize>,
    can_help: bool,
    bad: u32,
    /// Batches until the next try.
    rest: u32,
}

impl Stripes {
    /// `can_help`: rows are updated in place, and no index has a column that is written.
    pub(crate) fn new(wanted: Option<usize>, can_help: bool) -> Self {
        Self { wanted, can_help, bad: 0, rest: 0 }
    }

    /// In how many transactions so many rows are to be written; at least one.
    pub(crate) fn count(&self, rows: usize) -> usize {
        let most = rows.checked_div(FEWEST_ROWS).unwrap_or_default().max(1);
        match self.wanted {
            Some(wanted) => wanted.clamp(1, rows.max(1)),
            None if self.can_help && self.rest == 0 => USUAL.min(most),
            None => 1,
        }
    }

    /// Learns from a batch that was written in so many stripes: so many rows were updated, and of those so many on their page.
    pub(crate) fn wrote(&mut self, stripes: usize, updated: u64, hot: u64) {
        if stripes <= 1 {
            self.rest = self.rest.saturating_sub(1);
            return;
        }
        let is_bad = hot.saturating_mul(100) < updated.saturating_mul(WORTH);
        self.bad = if is_bad { self.bad.saturating_add(1) } else { 0 };
        if self.bad >= PATIENCE {
            (self.bad, self.rest) = (0, TRY_AGAIN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_rows_are_one_stripe_and_many_are_seven() {
        let stripes = Stripes::new(None, true);
        assert_eq!([0, 1, 199, 250, 10_000].map(|rows| stripes.count(rows)), [1, 1, 1, 2, 7]);
        assert_eq!(Stripes::new(None, false).count(10_000), 1);
        assert_eq!(Stripes::new(Some(4), false).count(10_000), 4);
        assert_eq!(Stripes::new(Some(4), true).count(2), 2);
    }

    #[test]
    fn where_updates_do_not_stay_on_their_page_it_is_given_up_for_a_while() {
        let mut stripes = Stripes::new(None, true);
        for _ in 0..PATIENCE {
            assert_eq!(stripes.count(10_000), USUAL);
            stripes.wrote(USUAL, 10_000, 1_000);
        }
        for _ in 0..TRY_AGAIN {
            assert_eq!(stripes.count(10_000), 1);
            stripes.wrote(1, 10_000, 0);
        }
        assert_eq!(stripes.count(10_000), USUAL);
        stripes.wrote(USUAL, 10_000, 7_000);
        assert_eq!(stripes.count(10_000), USUAL);
    }

    #[test]
    fn one_bad_batch_is_no_reason() {
        let mut stripes = Stripes::new(None, true);
        for _ in 0..10 {
            stripes.wrote(USUAL, 100, 0);
            stripes.wrote(USUAL, 100, 70);
        }
        assert_eq!(stripes.count(10_000), USUAL);
    }
}
