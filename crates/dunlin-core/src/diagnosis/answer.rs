use tokio_postgres::{Error as PgError, SimpleQueryRow};

use crate::Error;
use crate::failure::Failure;

/// What was found out, or why it was not: a question that the role may not ask makes one answer unknown, not the
/// diagnosis fail.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Answer<T> {
    /// What is so.
    Known(T),
    /// Why nothing can be said.
    NotKnown(String),
}

impl<T> Answer<T> {
    /// What is so, where it is known.
    #[must_use]
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::NotKnown(_) => None,
        }
    }

    /// Reads the rows of a question.
    ///
    /// # Errors
    ///
    /// When the connection is lost.
    pub(crate) fn read(
        rows: Result<Vec<SimpleQueryRow>, PgError>,
        read: impl FnOnce(Vec<SimpleQueryRow>) -> Option<T>,
    ) -> Result<Self, Error> {
        match rows {
            Ok(rows) => Ok(match read(rows) {
                Some(value) => Self::Known(value),
                None => Self::NotKnown("the server's answer has a form that is not known".to_owned()),
            }),
            Err(error) => match Failure::of(&error) {
                Some(failure) => Ok(Self::NotKnown(failure.to_string())),
                None => Err(Error::database("the diagnosis", error)),
            },
        }
    }
}

impl<T> Answer<Vec<T>> {
    /// Reads a value of each row.
    pub(crate) fn list(
        rows: Result<Vec<SimpleQueryRow>, PgError>,
        read: impl Fn(&SimpleQueryRow) -> Option<T>,
    ) -> Result<Self, Error> {
        Self::read(rows, |rows| rows.iter().map(read).collect())
    }

    /// What is known of them.
    pub(crate) fn listed(&self) -> &[T] {
        self.known().map(Vec::as_slice).unwrap_or_default()
    }
}
