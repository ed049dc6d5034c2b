use std::fmt;

/// What identifies a migration: its version, which orders it, and its name, which is for people.
///
/// Two ids are the same migration when their versions are equal; a changed name is reported as a rename.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct MigrationId {
    version: i64,
    name: String,
}

impl MigrationId {
    /// An id of a version and a name.
    ///
    /// ```
    /// let id = dunlin_core::MigrationId::new(7, "split_names");
    /// assert_eq!(id.to_string(), "7 (split_names)");
    /// ```
    #[must_use]
    pub fn new(version: i64, name: impl Into<String>) -> Self {
        Self { version, name: name.into() }
    }

    /// The version: a counter or a timestamp.
    #[must_use]
    pub fn version(&self) -> i64 {
        self.version
    }

    /// The name, as in the file name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for MigrationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.version, self.name)
    }
}
