use std::fmt;

use dunlin_core::MigrationId;

use crate::{error::Error, schema::SchemaDiff};

/// Why a check has not passed.
///
/// The text says which migration and which object; [`failures`](Self::failures) has the same for programs. `Debug` prints it,
/// too, so that a test may simply `unwrap`.
pub struct CheckError(Box<Problem>);

enum Problem {
    /// There is nothing to check on.
    Scratch(Error),
    Failed {
        check: &'static str,
        failures: Vec<Failure>,
    },
}

/// One thing that a check has found. `Display` is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    migration: Option<MigrationId>,
    text: String,
    diff: SchemaDiff,
}

impl CheckError {
    pub(crate) fn failed(check: &'static str, failures: Vec<Failure>) -> Self {
        Self(Box::new(Problem::Failed { check, failures }))
    }

    /// Returns what the check has found, in the order of the migrations. It is empty where nothing could be checked, for want
    /// of a server say.
    pub fn failures(&self) -> &[Failure] {
        match &*self.0 {
            Problem::Scratch(_) => &[],
            Problem::Failed { failures, .. } => failures,
        }
    }
}

impl From<Error> for CheckError {
    fn from(error: Error) -> Self {
        Self(Box::new(Problem::Scratch(error)))
    }
}

impl Failure {
    /// Something that is wrong with a migration, or with all of them together.
    pub(crate) fn new(migration: Option<&MigrationId>, text: impl Into<String>) -> Self {
        Self { migration: migration.cloned(), text: text.into(), diff: SchemaDiff::default() }
    }

    /// What a run has failed with, and, where its text does not say that, when.
    pub(crate) fn of_run(error: &dunlin_core::Error, migration: Option<&MigrationId>, when: &str) -> Self {
        // `Debug` of that error is its text and that of its causes.
        let text = match when {
            "" => format!("{error:?}"),
            when => format!("{when}, {error:?}"),
        };
        Self::new(error.migration().or(migration), text)
    }

    /// With what differs; the text says what `-` and `+` are.
    pub(crate) fn with_diff(self, diff: SchemaDiff) -> Self {
        Self { diff, ..self }
    }

    /// Returns the migration that it is about, where it is one.
    pub fn migration(&self) -> Option<&MigrationId> {
        self.migration.as_ref()
    }

    /// Returns how the schema differs from what it should be; empty where that is not what is wrong.
    pub fn diff(&self) -> &SchemaDiff {
        &self.diff
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        self.diff.to_string().lines().try_for_each(|line| write!(f, "\n  {line}"))
    }
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Problem::Scratch(_) => f.write_str("no database to check the migrations on"),
            Problem::Failed { check, failures } => match &failures[..] {
                [failure] => write!(f, "{check}: {failure}"),
                failures => {
                    write!(f, "{check}: {} failures", failures.len())?;
                    failures.iter().try_for_each(|failure| write!(f, "\n\n{failure}"))
                }
            },
        }
    }
}

impl fmt::Debug for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            write!(f, "\n  caused by: {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl std::error::Error for CheckError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &*self.0 {
            Problem::Scratch(error) => Some(error),
            Problem::Failed { .. } => None,
        }
    }
}
