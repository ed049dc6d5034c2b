//! In how many transactions a batch is written.

/// As many as pay: each prunes what the one before has left dead, and all but the first find room on their rows' own pages. With 10 the table
/// grows by a fiftieth less, and the server takes a twentieth longer; with 7 it grows by as much more.
const USUAL: usize = 8;

/// Whoever looks at anything while a stripe commits keeps what that has left dead from being pruned, another worker's stripe as well. So
/// the next stripe on the same pages comes after those of so many other pages, when that look is over.
const PARTS: usize = 3;

/// A stripe of fewer rows than these costs more than it gains.
const FEWEST_ROWS: usize = 100;

/// Fewer updates than these of a hundred that stay on their page are not worth the commits.
const WORTH: u64 = 30;

/// So many batches in a row must show it: the first ones are small, and two workers are in each other's way with them.
const PATIENCE: u32 = 6;

/// After so many batches in one transaction each it is tried again: a long snapshot may be gone.
const TRY_AGAIN: u32 = 32;

/// A new version is hardly ever more than twice as large as the old one.
const LEAST_ROOM: u64 = 500;

/// As large as the stripe before: new versions are as large as old ones.
const MOST_ROOM: u64 = 1_000;

/// What a session counts of updates that stay on their page. It hands its counts over when it likes, and begins again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hot {
    last: i64,
}

impl Hot {
    /// How many there were since this was asked last, if it has counted so many by now.
    pub(crate) fn since(&mut self, counted: i64) -> u64 {
        let before = std::mem::replace(&mut self.last, counted);
        let since = if counted < before { counted } else { counted.saturating_sub(before) };
        u64::try_from(since).unwrap_or_default()
    }
}

/// If so many of a hundred that could stay on their page do, there is room for more.
const FITTING: u64 = 90;

/// So much larger or smaller are the stripes of the next batch, in thousandths of the one before.
const STEP: u64 = 25;

/// Chooses the number of stripes and their sizes by what the server counts: updates that stay on their page (HOT).
#[derive(Clone, Debug)]
pub(crate) struct Stripes {
    wanted: Option<usize>,
    can_help: bool,
    bad: u32,
    /// Batches until the next try.
    rest: u32,
    /// For how many rows of a thousand that a stripe leaves dead the next one finds room.
    room: u64,
}

/// How the rows of a batch are dealt out to its stripes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deal {
    /// Of all numbers up to `u64::MAX` each stripe has those up to its own here, behind those of the one before.
    ends: Vec<u64>,
    /// So many parts of the batch, one behind the other, take turns with their stripes.
    parts: usize,
}

impl Deal {
    /// So many stripes, each of so many thousandths of the one before.
    fn falling(stripes: usize, room: u64) -> Self {
        let mut size = 1_000_000_u128;
        let mut ends = Vec::with_capacity(stripes);
        let mut sum = 0_u128;
        for _ in 0..stripes {
            sum = sum.saturating_add(size);
            ends.push(sum);
            size = size.saturating_mul(room.into()).checked_div(MOST_ROOM.into()).unwrap_or_default().max(1);
        }
        let scaled = |end: u128| end.saturating_mul(u64::MAX.into()).checked_div(sum);
        let scaled = |end: u128| scaled(end).and_then(|end| u64::try_from(end).ok()).unwrap_or(u64::MAX);
        Self { ends: ends.into_iter().map(scaled).collect(), parts: 1 }
    }

    pub(crate) fn stripes(&self) -> usize {
        self.ends.len()
    }

    /// What is written together, in its order: the first stripe of each part, then the second of each.
    pub(crate) fn out(&self, rows: &[usize]) -> Vec<Vec<usize>> {
        let of_part = rows.len().div_ceil(self.parts.max(1)).max(1);
        let parts: Vec<_> = rows.chunks(of_part).collect();
        let mut all = vec![Vec::new(); parts.len().saturating_mul(self.stripes())];
        for (part, rows) in parts.iter().enumerate() {
            for (number, row) in rows.iter().enumerate() {
                let turn = self.stripe(number).saturating_mul(parts.len()).saturating_add(part);
                if let Some(stripe) = all.get_mut(turn) {
                    stripe.push(*row);
                }
            }
        }
        all.retain(|stripe| !stripe.is_empty());
        all
    }

    /// In which stripe the row of this number is. However short a run of rows, it has of each stripe about its share: multiples of the golden
    /// ratio leave no gap anywhere.
    fn stripe(&self, row: usize) -> usize {
        let number = u64::try_from(row).unwrap_or_default().wrapping_mul(GOLDEN);
        self.ends.partition_point(|end| *end < number)
    }

    /// How many of so many rows are in the first stripe.
    fn first(&self, rows: u64) -> u64 {
        share(self.ends.first().copied().unwrap_or(u64::MAX), rows)
    }
}

/// So much of all numbers, of so many rows.
fn share(of_numbers: u64, rows: u64) -> u64 {
    let share = u128::from(of_numbers).saturating_mul(rows.into()).checked_div(u64::MAX.into());
    share.and_then(|share| u64::try_from(share).ok()).unwrap_or_default()
}

/// What the golden ratio has behind its point, of 2^64.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

impl Stripes {
    /// `can_help`: rows are updated in place, and no index has a column that is written.
    pub(crate) fn new(wanted: Option<usize>, can_help: bool) -> Self {
        Self { wanted, can_help, bad: 0, rest: 0, room: MOST_ROOM }
    }

    /// In which transactions so many rows are to be written; at least one.
    pub(crate) fn deal(&self, rows: usize) -> Deal {
        let most = rows.checked_div(FEWEST_ROWS).unwrap_or_default().max(1);
        let count = match self.wanted {
            Some(wanted) => wanted.clamp(1, rows.max(1)),
            None if self.can_help && self.rest == 0 => USUAL.min(most),
            None => 1,
        };
        let parts = rows.checked_div(count.saturating_mul(FEWEST_ROWS)).unwrap_or_default().clamp(1, PARTS);
        let parts = if count > 1 { parts } else { 1 };
        Deal { parts, ..Deal::falling(count, self.room) }
    }

    /// Learns from a batch that was dealt out so: so many rows were updated, and of those so many on their page.
    pub(crate) fn wrote(&mut self, deal: &Deal, updated: u64, hot: u64) {
        if deal.stripes() <= 1 {
            self.rest = self.rest.saturating_sub(1);
            return;
        }
        let is_bad = hot.saturating_mul(100) < updated.saturating_mul(WORTH);
        self.bad = if is_bad { self.bad.saturating_add(1) } else { 0 };
        if !is_bad {
            // All but the first could stay. In the last few rows of a page's share there is always one that does not fit.
            let could = updated.saturating_sub(deal.first(updated));
            let room = match hot.saturating_mul(100) >= could.saturating_mul(FITTING) {
                true => self.room.saturating_add(STEP),
                false => self.room.saturating_sub(STEP),
            };
            self.room = room.clamp(LEAST_ROOM, MOST_ROOM);
        }
        if self.bad >= PATIENCE {
            (self.bad, self.rest) = (0, TRY_AGAIN);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(stripes: &Stripes, rows: usize) -> usize {
        stripes.deal(rows).stripes()
    }

    fn wrote(stripes: &mut Stripes, updated: u64, hot: u64) {
        let deal = stripes.deal(usize::try_from(updated).unwrap());
        stripes.wrote(&deal, updated, hot);
    }

    /// How many of some rows are in each stripe.
    fn sizes(deal: &Deal, rows: impl Iterator<Item = usize>) -> Vec<usize> {
        let mut sizes = vec![0; deal.stripes()];
        rows.for_each(|row| sizes[deal.stripe(row)] += 1);
        sizes
    }

    #[test]
    fn few_rows_are_one_stripe_and_many_are_eight() {
        let stripes = Stripes::new(None, true);
        assert_eq!([0, 1, 199, 250, 10_000].map(|rows| count(&stripes, rows)), [1, 1, 1, 2, 8]);
        assert_eq!(count(&Stripes::new(None, false), 10_000), 1);
        assert_eq!(count(&Stripes::new(Some(4), false), 10_000), 4);
        assert_eq!(count(&Stripes::new(Some(4), true), 2), 2);
    }

    #[test]
    fn a_stripe_is_as_large_as_what_the_one_before_makes_room_for() {
        let even = Deal::falling(4, 1_000);
        assert!(sizes(&even, 0..100_000).iter().all(|size| size.abs_diff(25_000) < 10));
        let halves = Deal::falling(4, 500);
        let right = [8_000, 4_000, 2_000, 1_000];
        assert!(sizes(&halves, 0..15_000).iter().zip(right).all(|(size, right)| size.abs_diff(right) < 10));
        assert!(halves.first(15_000).abs_diff(8_000) < 10);
        assert_eq!(sizes(&Deal::falling(1, 1_000), 0..100), [100]);
        assert_eq!(Deal::falling(1, 1_000).first(100), 100);
    }

    #[test]
    fn each_page_has_its_share_of_each_stripe() {
        let deal = Deal::falling(4, 500);
        for page in 0..1_000 {
            let sizes = sizes(&deal, page * 30..page * 30 + 30);
            let right = [16, 8, 4, 2];
            assert!(sizes.iter().zip(right).all(|(size, right)| size.abs_diff(right) <= 2), "{sizes:?}");
        }
    }

    #[test]
    fn every_row_is_dealt_out_once_and_parts_take_turns() {
        let rows: Vec<usize> = (0..3_000).map(|row| row * 2).collect();
        let deal = Deal { parts: 3, ..Deal::falling(4, 500) };
        let out = deal.out(&rows);
        assert_eq!(out.len(), 12);
        for (turn, stripe) in out.iter().enumerate() {
            let part = turn % 3 * 2_000..(turn % 3 + 1) * 2_000;
            assert!(stripe.iter().all(|row| part.contains(row)), "turn {turn}");
        }
        assert!(out[2].len() > out[3].len(), "the first stripes of all come before the second ones");
        let mut all = out.concat();
        all.sort_unstable();
        assert_eq!(all, rows);
        assert_eq!(deal.out(&[7]), [[7]]);
        assert!(deal.out(&[]).is_empty());
    }

    #[test]
    fn small_batches_have_no_parts() {
        let parts = |rows| Stripes::new(None, true).deal(rows).parts;
        assert_eq!([100, 1_000, 1_599, 1_600, 2_400, 25_000].map(parts), [1, 1, 1, 2, 3, 3]);
        assert_eq!(Stripes::new(None, false).deal(25_000).parts, 1);
    }

    #[test]
    fn the_sizes_follow_what_is_measured() {
        let mut stripes = Stripes::new(None, true);
        // New versions are a quarter larger than old ones: of what is left dead four of five find room.
        for _ in 0..40 {
            let deal = stripes.deal(10_000);
            let sizes = sizes(&deal, 0..10_000);
            let room = sizes.windows(2).map(|pair| pair[1].min(pair[0] * 4 / 5)).sum::<usize>();
            stripes.wrote(&deal, 10_000, u64::try_from(room).unwrap());
        }
        assert!((800..=900).contains(&stripes.room), "{}", stripes.room);
        // And now no larger than they were.
        for _ in 0..40 {
            let deal = stripes.deal(10_000);
            let sizes = sizes(&deal, 0..10_000);
            let room = sizes.windows(2).map(|pair| pair[1].min(pair[0])).sum::<usize>();
            stripes.wrote(&deal, 10_000, u64::try_from(room).unwrap());
        }
        assert!(stripes.room >= 970, "{}", stripes.room);
    }

    #[test]
    fn where_updates_do_not_stay_on_their_page_it_is_given_up_for_a_while() {
        let mut stripes = Stripes::new(None, true);
        for _ in 0..PATIENCE {
            assert_eq!(count(&stripes, 10_000), USUAL);
            wrote(&mut stripes, 10_000, 1_000);
        }
        for _ in 0..TRY_AGAIN {
            assert_eq!(count(&stripes, 10_000), 1);
            wrote(&mut stripes, 10_000, 0);
        }
        assert_eq!(count(&stripes, 10_000), USUAL);
        wrote(&mut stripes, 10_000, 7_000);
        assert_eq!(count(&stripes, 10_000), USUAL);
    }

    #[test]
    fn what_a_session_has_counted_before_is_not_counted_again() {
        let mut hot = Hot::default();
        assert_eq!(
            [0, 700, 1_400, 1_400, 600, 700].map(|counted| hot.since(counted)),
            [0, 700, 700, 0, 600, 100]
        );
    }

    #[test]
    fn one_bad_batch_is_no_reason() {
        let mut stripes = Stripes::new(None, true);
        for _ in 0..10 {
            wrote(&mut stripes, 1_000, 0);
            wrote(&mut stripes, 1_000, 700);
        }
        assert_eq!(count(&stripes, 10_000), USUAL);
    }
}
