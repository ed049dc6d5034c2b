use std::{convert::Infallible, sync::LazyLock};

use dunlin_core::{BoxError, Error, MigrationSet};

/// What `migrations = ...` may be, given by reference.
///
/// Not part of the public API; it may change in any release. `Kind` tells the implementation for everything that can be
/// called apart from the others, which the compiler could not know to be no functions.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no set of migrations",
    label = "not a `MigrationSet`",
    note = "`migrations` is a `dunlin::MigrationSet`, a reference to one, a function that returns one, a `LazyLock` of one, or \
            the path of a folder as a string"
)]
pub trait Migrations<Kind> {
    /// Gives the set.
    fn set(&self) -> Result<MigrationSet, BoxError>;
}

impl Migrations<Infallible> for MigrationSet {
    fn set(&self) -> Result<MigrationSet, BoxError> {
        Ok(self.clone())
    }
}

impl Migrations<Infallible> for &MigrationSet {
    fn set(&self) -> Result<MigrationSet, BoxError> {
        Ok((*self).clone())
    }
}

impl<F: FnOnce() -> MigrationSet> Migrations<Infallible> for LazyLock<MigrationSet, F> {
    fn set(&self) -> Result<MigrationSet, BoxError> {
        Ok((**self).clone())
    }
}

impl<F: FnOnce() -> MigrationSet> Migrations<Infallible> for &LazyLock<MigrationSet, F> {
    fn set(&self) -> Result<MigrationSet, BoxError> {
        Ok((***self).clone())
    }
}

/// What [`MigrationSetBuilder::build`](dunlin_core::MigrationSetBuilder::build) returns.
impl Migrations<Infallible> for Result<MigrationSet, Error> {
    fn set(&self) -> Result<MigrationSet, BoxError> {
        // An error can't be cloned: its text and those of its causes go on.
        self.as_ref().cloned().map_err(|error| crate::attribute::with_causes(error).into())
    }
}

impl<F, R, Kind> Migrations<fn() -> Kind> for F
where
    F: Fn() -> R,
    R: Migrations<Kind>,
{
    fn set(&self) -> Result<MigrationSet, BoxError> {
        self().set()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attribute::migrations;

    fn set() -> MigrationSet {
        build().unwrap()
    }

    fn build() -> Result<MigrationSet, Error> {
        MigrationSet::builder().sql(1, "birds", "CREATE TABLE birds (name text)").build()
    }

    static SET: LazyLock<MigrationSet> = LazyLock::new(set);

    fn shared() -> &'static MigrationSet {
        &SET
    }

    #[test]
    fn whatever_names_a_set_gives_it() {
        let value = set();
        let given = [
            migrations(&set()),
            migrations(&value),
            migrations(&&value),
            migrations(&set),
            migrations(&shared),
            migrations(&SET),
            migrations(&&SET),
            migrations(&build()),
            migrations(&build),
            migrations(&|| set()),
        ];
        for given in given {
            assert_eq!(given.unwrap().fingerprint(), set().fingerprint());
        }
    }

    #[test]
    fn a_set_that_can_not_be_built_is_told_with_its_causes() {
        let broken = || MigrationSet::builder().sql(1, "birds", "COMMIT").build();
        let error = migrations(&broken).unwrap_err();
        insta::assert_snapshot!(crate::attribute::with_causes(&error), @"there is no set of migrations for this test: 1_birds.up.sql:1:1: `COMMIT` can't be used in a migration: dunlin begins and commits by itself; remove it");
    }
}
