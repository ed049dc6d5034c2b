use std::fmt;
use std::str::FromStr;

use dunlin::requirement::{Extension, ServerVersion};
use dunlin::{MigrationSet, Migrator};

/// A release of this service: what it knows of the database, and what it can do.
///
/// A service of yours is one release, and its migrations are `embed!("migrations")`. This program is three, so that it can be upgraded and
/// taken back: each is what it was when its folder ended there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Release {
    /// Conversations, what they are about, and a search for words as they were written.
    One,
    /// Counts words, has bookmarks, and searches in English. Release 1 can go on beside it and come after it.
    Two,
    /// The same on a schema without what only release 1 needs.
    Three,
}

impl Release {
    /// The last migration that it brings.
    #[must_use]
    pub fn last_migration(self) -> i64 {
        match self {
            Self::One => 4,
            Self::Two => 8,
            Self::Three => 11,
        }
    }

    /// The migrations that it knows.
    ///
    /// # Panics
    ///
    /// Never: the folder was checked when this was compiled, and the beginning of it is a set as well.
    #[must_use]
    pub fn migrations(self) -> MigrationSet {
        let folder = dunlin::embed!("migrations");
        let mine = folder.iter().filter(|migration| migration.id().version() <= self.last_migration());
        let set = mine.fold(MigrationSet::builder(), |set, migration| set.shared(migration.clone()));
        #[expect(clippy::expect_used, reason = "the folder was checked when it was compiled")]
        set.build().expect("the beginning of a set is a set")
    }

    /// How a replica of this name migrates the database. The history will tell which one has.
    #[must_use]
    pub fn migrator(self, replica: &str) -> Migrator {
        Migrator::new(self.migrations())
            .application(format!("axum-service {self}, replica {replica}"))
            // Told together, before anything runs.
            .requires(ServerVersion::at_least(14))
            .requires(Extension::available("uuid-ossp"))
    }

    /// Whether words are counted when they are written, there are bookmarks, and the search knows English.
    pub(crate) fn counts_words(self) -> bool {
        self >= Self::Two
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::One => "1",
            Self::Two => "2",
            Self::Three => "3",
        })
    }
}

impl FromStr for Release {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "1" => Ok(Self::One),
            "2" => Ok(Self::Two),
            "3" => Ok(Self::Three),
            _ => Err("there are the releases 1, 2 and 3"),
        }
    }
}
