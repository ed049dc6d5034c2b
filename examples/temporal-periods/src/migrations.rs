use dunlin::{Migrator, Target};

/// How many migrations the temporal layer is.
pub const LAYER: i64 = 3;

/// The schema as it was before there was a temporal layer.
pub const OLD_SCHEMA: Target = Target::Version(2);

/// The temporal layer without anything in it.
pub const TABLES_AND_VIEWS: Target = Target::Version(4);

/// How this service migrates itself.
#[must_use]
pub fn migrator() -> Migrator {
    Migrator::new(dunlin::embed!("migrations")).application("temporal-periods")
}
