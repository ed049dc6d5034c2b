use std::fmt;

use dunlin_script::Digest;

use crate::checksum::Identity;
use crate::history::LAYOUT;

/// A digest of which migrations a history holds, whatever the order that they were applied in.
///
/// Each migration adds its own SHA-256, lane by lane modulo 2^64, so that a digest can be carried along: it answers for
/// all rows, and a boot with nothing to do reads it alone. This is the
/// additive multiset hash of Bellare and Micciancio (AdHash, 1997); it guards against accidents, not against
/// somebody who can write the history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HistoryDigest([u64; 4]);

impl HistoryDigest {
    pub(crate) fn add(&mut self, version: i64, identity: Identity) {
        self.combine(version, identity, u64::wrapping_add);
    }

    pub(crate) fn remove(&mut self, version: i64, identity: Identity) {
        self.combine(version, identity, u64::wrapping_sub);
    }

    fn combine(&mut self, version: i64, identity: Identity, with: fn(u64, u64) -> u64) {
        let digest = Digest::of(format!("{version}\t{identity}").as_bytes());
        for (lane, bytes) in self.0.iter_mut().zip(digest.as_bytes().chunks_exact(8)) {
            *lane = with(*lane, u64::from_le_bytes(bytes.try_into().unwrap_or_default()));
        }
    }
}

impl FromIterator<(i64, Identity)> for HistoryDigest {
    fn from_iter<I: IntoIterator<Item = (i64, Identity)>>(migrations: I) -> Self {
        let mut digest = Self::default();
        for (version, identity) in migrations {
            digest.add(version, identity);
        }
        digest
    }
}

/// The text form that is stored: the layout's version, a colon and 64 hexadecimal digits.
impl fmt::Display for HistoryDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d] = self.0;
        write!(f, "{LAYOUT}:{a:016x}{b:016x}{c:016x}{d:016x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_application_does_not_matter_and_everything_else_does() {
        let digest = |rows: &[(i64, u32)]| -> HistoryDigest {
            rows.iter().map(|(version, revision)| (*version, Identity::Revision(*revision))).collect()
        };
        assert_eq!(digest(&[(1, 1), (2, 1)]), digest(&[(2, 1), (1, 1)]));
        assert_ne!(digest(&[(1, 1), (2, 1)]), digest(&[(1, 1), (2, 2)]));
        assert_ne!(digest(&[(1, 1), (2, 1)]), digest(&[(1, 1)]));
        assert_ne!(digest(&[(1, 2), (2, 1)]), digest(&[(1, 1), (2, 2)]));
        let mut reverted = digest(&[(1, 1), (2, 1)]);
        reverted.remove(1, Identity::Revision(1));
        assert_eq!(reverted, digest(&[(2, 1)]));
        assert_eq!(digest(&[]).to_string().len(), "1:".len() + 64);
    }
}
