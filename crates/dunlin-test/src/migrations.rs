use std::{convert::Infallible, sync::LazyLock};

use dunlin_core::{BoxError, Error, IdentError, MigrationSet, Migrator};

use crate::{attribute::with_causes, subject::Subject};

/// What `migrations = ...` may be, given by reference.
///
/// Not part of the public API; it may change in any release. `Kind` tells the implementation for everything that can be
/// called apart from the others, which the compiler could not know to be no functions.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a set of migrations nor a migrator",
    label = "neither a `MigrationSet` nor a `Migrator`",
    note = "`migrations` is a `dunlin::MigrationSet` or a `dunlin::Migrator`, a reference to one, a `LazyLock` or a `Result` of \
            one, a function that returns any of these, or the path of a folder as a string"
)]
pub trait Migrations<Kind> {
    /// Gives them.
    fn subject(&self) -> Result<Subject, BoxError>;
}

impl Migrations<Infallible> for MigrationSet {
    fn subject(&self) -> Result<Subject, BoxError> {
        Ok(self.into())
    }
}

impl Migrations<Infallible> for Migrator {
    fn subject(&self) -> Result<Subject, BoxError> {
        Ok(self.into())
    }
}

impl<M: Migrations<Infallible>> Migrations<Infallible> for &M {
    fn subject(&self) -> Result<Subject, BoxError> {
        (**self).subject()
    }
}

impl<M: Migrations<Infallible>, F: FnOnce() -> M> Migrations<Infallible> for LazyLock<M, F> {
    fn subject(&self) -> Result<Subject, BoxError> {
        (**self).subject()
    }
}

/// What [`MigrationSetBuilder::build`](dunlin_core::MigrationSetBuilder::build) returns. An error can't be cloned: its text and
/// those of its causes go on.
impl<M: Migrations<Infallible>> Migrations<Infallible> for Result<M, Error> {
    fn subject(&self) -> Result<Subject, BoxError> {
        self.as_ref().map_err(|error| with_causes(error))?.subject()
    }
}

/// What a migrator with a role or another history begins with.
impl<M: Migrations<Infallible>> Migrations<Infallible> for Result<M, IdentError> {
    fn subject(&self) -> Result<Subject, BoxError> {
        self.as_ref().map_err(|error| with_causes(error))?.subject()
    }
}

/// Both.
impl<M: Migrations<Infallible>> Migrations<Infallible> for Result<M, BoxError> {
    fn subject(&self) -> Result<Subject, BoxError> {
        self.as_ref().map_err(|error| with_causes(&**error))?.subject()
    }
}

impl<F, R, Kind> Migrations<fn() -> Kind> for F
where
    F: Fn() -> R,
    R: Migrations<Kind>,
{
    fn subject(&self) -> Result<Subject, BoxError> {
        self().subject()
    }
}

#[cfg(test)]
mod tests {
    use dunlin_core::Ident;

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

    fn migrator() -> Migrator {
        Migrator::new(set()).search_path("birds")
    }

    fn with_a_role() -> Result<Migrator, IdentError> {
        Ok(migrator().role(Ident::new("keeper")?))
    }

    fn with_a_set_and_a_role() -> Result<Migrator, BoxError> {
        Ok(Migrator::new(build()?).search_path("birds").role(Ident::new("keeper")?))
    }

    static MIGRATOR: LazyLock<Migrator> = LazyLock::new(migrator);

    fn shared_migrator() -> &'static Migrator {
        &MIGRATOR
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
    fn whatever_names_a_migrator_gives_it() {
        let value = migrator();
        let given = [
            migrations(&migrator()),
            migrations(&value),
            migrations(&&value),
            migrations(&migrator),
            migrations(&shared_migrator),
            migrations(&MIGRATOR),
            migrations(&&MIGRATOR),
            migrations(&|| migrator()),
        ];
        for given in given {
            assert_eq!(given.unwrap().fingerprint(), migrator().fingerprint());
        }
        let fallible = [
            migrations(&with_a_role()),
            migrations(&with_a_role),
            migrations(&with_a_set_and_a_role()),
            migrations(&with_a_set_and_a_role),
        ];
        for given in fallible {
            assert_eq!(given.unwrap().fingerprint(), with_a_role().unwrap().fingerprint());
        }
    }

    #[test]
    fn a_set_that_can_not_be_built_is_told_with_its_causes() {
        let broken = || MigrationSet::builder().sql(1, "birds", "COMMIT").build();
        let error = migrations(&broken).unwrap_err();
        insta::assert_snapshot!(with_causes(&error), @"there are no migrations for this test: 1_birds.up.sql:1:1: `COMMIT` can't be used in a migration: dunlin begins and commits by itself; remove it");
    }
}
