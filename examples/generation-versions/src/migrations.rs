use dunlin::Migrator;

use crate::{Orphans, Rollback, Storage};

/// The old schema: as far as anything is ever rolled back.
pub(crate) const OLD: i64 = 1;
/// The new schema, with flat files.
pub(crate) const FLAT: i64 = 8;
/// What moves the files.
pub(crate) const MOVE: i64 = 9;

/// How this service migrates itself: the database, and the files under the storage root.
#[must_use]
pub fn migrator(storage: &Storage, orphans: Orphans) -> Migrator {
    Migrator::new(dunlin::embed!("migrations"))
        .application("generation-versions")
        .resource(storage.clone())
        .resource(orphans)
}

/// The same, to go back.
pub(crate) fn reverter(storage: &Storage, rollback: Rollback) -> Migrator {
    migrator(storage, Orphans::Archive).resource(rollback)
}
