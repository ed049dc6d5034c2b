use std::time::Duration;

/// How long a bar is: from nothing to the longest, or by powers of ten where the longest would leave nothing to see of the rest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scale {
    /// Twice as long is twice the time.
    Linear {
        /// The seconds of one part.
        step: f64,
        /// How many parts the width has.
        parts: i32,
    },
    /// Each part of the width is ten times the time of the one before: the exponents of the first second and of the last.
    Logarithmic {
        /// The exponent of the time at the left.
        from: i32,
        /// That at the right.
        to: i32,
    },
}

/// Where more than this lies between the longest and the median, bars go by powers of ten.
const SPREAD: f64 = 20.0;

/// 0.1 ms: what is shorter has the shortest bar.
const SHORTEST: f64 = 1e-4;

/// A bar of this many percent can be seen.
const VISIBLE: f64 = 0.6;

/// Into how many parts, or a few more, a width is divided.
const WANTED: f64 = 4.0;

impl Scale {
    /// The one on which these can be read; nothing if there are none.
    pub(crate) fn of(durations: impl Iterator<Item = Duration>) -> Option<Self> {
        let mut seconds: Vec<f64> = durations.map(|took| took.as_secs_f64().max(SHORTEST)).collect();
        seconds.sort_unstable_by(f64::total_cmp);
        let (&shortest, &longest) = (seconds.first()?, seconds.last()?);
        let median = seconds.get(seconds.len() / 2).copied().unwrap_or(longest);
        if longest <= SPREAD * median {
            let step = round_step(longest / WANTED);
            return Some(Self::Linear { step, parts: small((longest / step).ceil()).max(1) });
        }
        let to = small(longest.log10().ceil());
        Some(Self::Logarithmic { from: small(shortest.log10().floor()).min(to - 1), to })
    }

    /// The length of a bar, in percent.
    pub(crate) fn length(self, took: Duration) -> f64 {
        let seconds = took.as_secs_f64().max(SHORTEST);
        let share = match self {
            Self::Linear { step, parts } => seconds / (step * f64::from(parts)),
            Self::Logarithmic { from, to } => {
                (seconds.log10() - f64::from(from)) / f64::from(to.saturating_sub(from))
            }
        };
        (share * 100.0).clamp(VISIBLE, 100.0)
    }

    /// Into how many parts lines divide the width.
    pub(crate) fn parts(self) -> i32 {
        match self {
            Self::Linear { parts, .. } => parts,
            Self::Logarithmic { from, to } => to.saturating_sub(from),
        }
    }

    /// The time at the end of each part, from that at the left.
    pub(crate) fn marks(self) -> Vec<Duration> {
        let seconds = |part: i32| match self {
            Self::Linear { step, .. } => step * f64::from(part),
            Self::Logarithmic { from, .. } => 10_f64.powi(from.saturating_add(part)),
        };
        (0..=self.parts())
            .map(|part| Duration::try_from_secs_f64(seconds(part)).unwrap_or_default())
            .collect()
    }
}

/// The next of 1, 2, 5, 10, 20, 50...
fn round_step(least: f64) -> f64 {
    let power = 10_f64.powf(least.log10().floor());
    // A hair's breadth for what should be whole and is not quite.
    let whole = [1.0, 2.0, 5.0].into_iter().find(|digit| digit * power * (1.0 + 1e-9) >= least);
    whole.unwrap_or(10.0) * power
}

/// A whole number that is one of a few: a logarithm of a time, or a count of parts.
#[expect(clippy::as_conversions, reason = "`as` saturates")]
fn small(whole: f64) -> i32 {
    whole as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_20_seconds_leaves_something_to_see_of_a_thousand_of_2_milliseconds() {
        let short = Duration::from_millis(2);
        let long = Duration::from_secs(20);
        let scale = Scale::of([short; 1_000].into_iter().chain([long])).unwrap();
        assert_eq!(scale, Scale::Logarithmic { from: -3, to: 2 });
        assert!(scale.length(short) > 5.0 && scale.length(long) < 100.0);
        assert_eq!(scale.marks().last(), Some(&Duration::from_secs(100)));
    }

    #[test]
    fn times_of_one_order_are_compared_as_they_are() {
        let scale = Scale::of([10, 20, 40].map(Duration::from_millis).into_iter()).unwrap();
        assert_eq!(scale, Scale::Linear { step: 0.01, parts: 4 });
        assert_eq!(scale.length(Duration::from_millis(20)), 50.0);
    }

    #[test]
    fn what_stands_at_the_lines_is_round() {
        let marks = |milliseconds| {
            let scale = Scale::of([Duration::from_millis(milliseconds)].into_iter()).unwrap();
            scale.marks().iter().map(Duration::as_millis).collect::<Vec<_>>()
        };
        assert_eq!(marks(870), [0, 500, 1_000]);
        assert_eq!(marks(19_200), [0, 5_000, 10_000, 15_000, 20_000]);
        assert_eq!(marks(11), [0, 5, 10, 15]);
    }

    #[test]
    fn no_time_has_no_scale_and_nothing_is_short_enough_to_vanish() {
        assert_eq!(Scale::of([].into_iter()), None);
        assert!(Scale::of([Duration::ZERO].into_iter()).unwrap().length(Duration::ZERO) > 0.0);
    }
}
