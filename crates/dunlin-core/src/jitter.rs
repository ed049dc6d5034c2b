use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Pauses that spread: full jitter, a random time up to a bound that grows.
///
/// Source: Exponential Backoff And Jitter, AWS Architecture Blog, 2015.
pub(crate) struct Jitter {
    bound: Duration,
    most: Duration,
}

impl Jitter {
    /// How long a waiter for the lock sleeps that has waited so long: 10 ms to 500 ms, at random, and never more than a
    /// quarter of what it has waited already, so that it ends soon after the run that it waits for.
    pub(crate) fn polling(waited: Duration) -> Duration {
        const LEAST: Duration = Duration::from_millis(10);
        let most = (waited / 4).clamp(2 * LEAST, Duration::from_millis(500));
        LEAST + (most - LEAST).mul_f64(random_fraction())
    }

    /// For trying a migration again that met a lock: from 50 ms to 2 s.
    pub(crate) fn retrying() -> Self {
        Self { bound: Duration::from_millis(50), most: Duration::from_secs(2) }
    }

    /// The next pause of a row of tries: the bound doubles.
    pub(crate) fn again(&mut self) -> Duration {
        let bound = self.bound;
        self.bound = (bound * 2).min(self.most);
        bound.mul_f64(random_fraction())
    }
}

/// A random number in 0..1, from the standard library's randomly keyed hasher.
fn random_fraction() -> f64 {
    // 32 bits fit a float exactly.
    let [a, b, c, d, ..] = RandomState::new().hash_one(0_u8).to_le_bytes();
    f64::from(u32::from_le_bytes([a, b, c, d])) / f64::from(u32::MAX)
}

/// A random name for a run: 32 hexadecimal digits.
pub(crate) fn random_name() -> String {
    format!("{:016x}{:016x}", RandomState::new().hash_one(1_u8), RandomState::new().hash_one(2_u8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_stay_within_their_bounds() {
        for waited in [0, 10, 100, 1_000, 100_000] {
            let bound = Duration::from_millis((waited / 4).clamp(20, 500));
            let pause = || Jitter::polling(Duration::from_millis(waited));
            assert!(
                (0..50).map(|_| pause()).all(|pause| pause >= Duration::from_millis(10) && pause <= bound)
            );
        }
        let mut retrying = Jitter::retrying();
        assert!((0..50).map(|_| retrying.again()).all(|pause| pause <= Duration::from_secs(2)));
        assert_ne!(random_name(), random_name());
    }
}
