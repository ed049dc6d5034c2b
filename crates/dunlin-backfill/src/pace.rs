use std::time::Duration;

/// So many rows have the first batch.
const FIRST: usize = 1_000;

/// More rows than these in a batch gain nothing, and take memory.
const MOST: usize = 25_000;

/// So many bytes may be read for one batch.
const MOST_BYTES: usize = 8 << 20;

/// How many rows a batch has: steered to a time, and halved when something goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    target: Duration,
    rows: usize,
    /// Rows of this source are so large.
    most: usize,
}

impl Pace {
    pub(crate) fn new(target: Duration) -> Self {
        Self { target, rows: FIRST, most: MOST }
    }

    /// The number of rows of the next batch; at least one.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Learns from a batch of so many rows and bytes that was written in this time. It doubles at most, as what was measured on a few rows
    /// says little about many.
    pub(crate) fn wrote(&mut self, rows: usize, bytes: usize, took: Duration) {
        if let Some(size) = bytes.checked_div(rows).filter(|size| *size > 0) {
            self.most = MOST_BYTES.checked_div(size).unwrap_or(MOST).clamp(1, MOST);
        }
        let per_row =
            took.as_nanos().checked_div(u128::try_from(rows).unwrap_or_default()).unwrap_or_default();
        // A quarter is left for what varies: a batch that takes much longer than it should is cut off.
        let target = self.target.as_nanos() / 4 * 3;
        let fitting = target.checked_div(per_row).unwrap_or(u128::MAX);
        let fitting = usize::try_from(fitting).unwrap_or(usize::MAX);
        self.rows = fitting.min(self.rows.saturating_mul(2)).clamp(1, self.most);
    }

    /// Something went wrong with a batch of this size: the next one is half of it, down to one row. Returns whether it was more
    /// than one.
    pub(crate) fn halve(&mut self, rows: usize) -> bool {
        self.rows = (rows / 2).max(1);
        rows > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: Duration = Duration::from_millis(500);

    #[test]
    fn it_comes_to_the_number_of_rows_that_takes_most_of_the_time() {
        let mut pace = Pace::new(TARGET);
        for _ in 0..10 {
            let rows = pace.rows();
            pace.wrote(rows, rows * 200, Duration::from_micros(50) * u32::try_from(rows).unwrap());
        }
        assert_eq!(pace.rows(), 7_500);
    }

    #[test]
    fn it_doubles_at_most_and_ends_at_a_bound() {
        let mut pace = Pace::new(TARGET);
        pace.wrote(1_000, 200_000, Duration::ZERO);
        assert_eq!(pace.rows(), 2_000);
        for _ in 0..10 {
            pace.wrote(pace.rows(), 1, Duration::from_nanos(1));
        }
        assert_eq!(pace.rows(), MOST);
    }

    #[test]
    fn large_rows_are_fewer() {
        let mut pace = Pace::new(TARGET);
        pace.wrote(1_000, 1_000 << 20, Duration::from_millis(1));
        assert_eq!(pace.rows(), 8);
    }

    #[test]
    fn it_halves_down_to_one_row() {
        let mut pace = Pace::new(TARGET);
        assert!(pace.halve(1_000));
        assert_eq!(pace.rows(), 500);
        assert!(pace.halve(3));
        assert_eq!(pace.rows(), 1);
        assert!(!pace.halve(1));
        assert_eq!(pace.rows(), 1);
    }

    #[test]
    fn slow_batches_shrink_at_once() {
        let mut pace = Pace::new(TARGET);
        pace.wrote(1_000, 1, Duration::from_secs(5));
        assert_eq!(pace.rows(), 75);
        pace.wrote(0, 0, Duration::from_secs(5));
        assert!(pace.rows() >= 1);
    }
}
