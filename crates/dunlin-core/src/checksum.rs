use std::fmt;
use std::str::FromStr;

use dunlin_script::{Checksums, Digest};

/// What a migration says, in a form that can be compared with what was applied.
///
/// A SQL migration has two digests of its `up` script: `raw` over the text, and `tokens`, which ignores comments
/// and white space outside literals. The same tokens with another `raw` is a reformatted file, which stops
/// nothing; other tokens is an edited migration. A Rust migration declares a revision number.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Checksum {
    /// Digests of a SQL script.
    #[non_exhaustive]
    Sql {
        /// Over the text without byte order mark, line ends as LF.
        raw: Digest,
        /// Over the tokens alone.
        tokens: Digest,
    },
    /// The declared revision of a Rust migration.
    Revision(u32),
}

impl Checksum {
    /// The checksum of a SQL text.
    #[must_use]
    pub fn of_sql(text: &str) -> Self {
        let checksums = Checksums::of(text);
        Self::Sql { raw: checksums.raw(), tokens: checksums.tokens() }
    }

    /// The part that decides whether a migration was edited: `sha256:<tokens>` or `revision:<n>`.
    pub(crate) fn identity(&self) -> Identity {
        match self {
            Self::Sql { tokens, .. } => Identity::Sha256(*tokens),
            Self::Revision(revision) => Identity::Revision(*revision),
        }
    }

    /// The digest that also sees comments and white space.
    pub(crate) fn raw(&self) -> Option<Digest> {
        match self {
            Self::Sql { raw, .. } => Some(*raw),
            Self::Revision(_) => None,
        }
    }
}

/// The half of a checksum that a history row is compared by, tagged with its algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    Sha256(Digest),
    Revision(u32),
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(digest) => write!(f, "{digest}"),
            Self::Revision(revision) => write!(f, "revision:{revision}"),
        }
    }
}

impl FromStr for Identity {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.strip_prefix("revision:") {
            Some(revision) => revision.parse().map(Self::Revision).map_err(drop),
            None => text.parse().map(Self::Sha256).map_err(drop),
        }
    }
}
