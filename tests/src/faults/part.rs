//! Which part of a sweep is run.

/// A part of a sweep's points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// All points.
    All,
    /// One point, by its number: to repeat what was wrong.
    One(usize),
    /// At most so many of the points: a random one from each stretch of the sweep.
    Some {
        /// How many.
        points: usize,
        /// The same seed takes the same points.
        seed: u64,
    },
}

impl Part {
    /// The points of this part, with their numbers from 1.
    pub(crate) fn of<P>(self, points: impl IntoIterator<Item = P>) -> Vec<(usize, P)> {
        let all: Vec<_> = (1..).zip(points).collect();
        match self {
            Self::All => all,
            Self::One(number) => all.into_iter().filter(|(n, _)| *n == number).collect(),
            Self::Some { points, seed } => {
                let stretch = all.len().div_ceil(points.max(1)).max(1);
                let mut random = fastrand::Rng::with_seed(seed);
                let mut all = all.into_iter();
                std::iter::from_fn(|| {
                    let stretch: Vec<_> = all.by_ref().take(stretch).collect();
                    random.choice(stretch)
                })
                .collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_spread_over_all_points() {
        for seed in 0..20 {
            let part = Part::Some { points: 10, seed }.of('a'..='z');
            assert_eq!(part.len(), 9, "{part:?}");
            assert!(part[0].0 <= 3 && part[8].0 > 24, "{part:?}");
        }
        assert_eq!(Part::Some { points: 9, seed: 1 }.of([7, 8]), [(1, 7), (2, 8)]);
        assert_eq!(Part::One(2).of('a'..='z'), [(2, 'b')]);
    }
}
