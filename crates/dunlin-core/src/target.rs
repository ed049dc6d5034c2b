use std::fmt;

/// Where a run should take the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// Everything in the set is applied; nothing is reverted.
    #[default]
    Latest,
    /// Exactly the migrations up to and including this version are applied: later ones are reverted.
    Version(i64),
    /// So many migrations further: `+2` applies the next two, `-1` reverts the one that was applied last.
    Relative(i64),
    /// Nothing is applied: everything is reverted.
    Base,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.write_str("latest"),
            Self::Version(version) => write!(f, "version {version}"),
            Self::Relative(steps) => write!(f, "{steps:+}"),
            Self::Base => f.write_str("base"),
        }
    }
}
