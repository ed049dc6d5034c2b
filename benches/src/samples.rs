use std::time::Duration;

/// The times of one contestant, one for each round; a round that went wrong has none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<Option<Duration>>);

impl Samples {
    pub(crate) fn push(&mut self, time: Option<Duration>) {
        self.0.push(time);
    }

    /// The median time.
    pub(crate) fn median(&self) -> Option<Duration> {
        let mut times: Vec<_> = self.0.iter().flatten().copied().collect();
        times.sort_unstable();
        times.get(times.len() / 2).copied()
    }

    /// The ratios to another contestant's time in the same round: what slows a round down slows both.
    ///
    /// Not the ratio of the shortest times: one lucky run would decide it. The first run on a server that flushes to a
    /// disk takes less than half the time of all later ones, whoever makes it.
    pub(crate) fn ratio(&self, to: &Self) -> Option<Ratio> {
        let paired = self.0.iter().zip(&to.0);
        let ratio =
            |(a, b): (&Option<Duration>, &Option<Duration>)| Some((*a)?.as_secs_f64() / (*b)?.as_secs_f64());
        Ratio::over(paired.filter_map(ratio))
    }

    /// How much longer it takes than another contestant in the same round: the median, nothing if it takes less.
    pub(crate) fn above(&self, other: &Self) -> Option<Duration> {
        let paired = self.0.iter().zip(&other.0);
        let above = |(a, b): (&Option<Duration>, &Option<Duration>)| Some((*a)?.saturating_sub((*b)?));
        Self(paired.map(above).collect()).median()
    }
}

/// How one contestant compares with another over all rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ratio {
    pub(crate) median: f64,
    /// Half of the rounds lie between these.
    pub(crate) quartiles: (f64, f64),
}

impl Ratio {
    /// The ratios of all rounds.
    pub(crate) fn over(rounds: impl Iterator<Item = f64>) -> Option<Self> {
        let mut ratios: Vec<_> = rounds.collect();
        ratios.sort_unstable_by(f64::total_cmp);
        let quarter = |quarters: usize| {
            ratios.get((ratios.len() * quarters / 4).min(ratios.len().saturating_sub(1))).copied()
        };
        Some(Self { median: quarter(2)?, quartiles: (quarter(1)?, quarter(3)?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(times: &[u64]) -> Samples {
        Samples(times.iter().map(|time| (*time > 0).then(|| Duration::from_millis(*time))).collect())
    }

    #[test]
    fn rounds_that_went_wrong_do_not_count() {
        assert_eq!(samples(&[30, 0, 10, 20]).median(), Some(Duration::from_millis(20)));
        assert_eq!(samples(&[0]).median(), None);
    }

    #[test]
    fn differences_are_taken_within_a_round() {
        let above = samples(&[12, 1_002, 3]).above(&samples(&[10, 1_000, 10]));
        assert_eq!(above, Some(Duration::from_millis(2)));
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        // One round was slow for both.
        let ratio = samples(&[20, 2_000, 20]).ratio(&samples(&[10, 1_000, 10]));
        assert_eq!(ratio, Some(Ratio { median: 2.0, quartiles: (2.0, 2.0) }));
        assert_eq!(samples(&[20, 0]).ratio(&samples(&[0, 10])), None);
    }
}
