//! Looks at the history without a lock and without a trace.

use std::borrow::Cow;

use tokio_postgres::error::SqlState;

use crate::history::Record;
use crate::history_sql::{HIDES, NOT_OURS, digest_of};
use crate::run::{is_undefined, reading};
use crate::session::Session;
use crate::wire::Wire;
use crate::{Error, Migrator};

/// What a look at the digest tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Exactly the set is applied.
    Current,
    /// There is no history.
    Nothing,
    /// Anything else: the history has to be read.
    Other,
}

impl Migrator {
    /// Asks for the digest, in rows for [`digest_of`].
    pub(crate) fn digest_question(&self) -> Cow<'_, str> {
        match &self.role {
            None => self.sql.digest().into(),
            role => Session::aside(role.as_ref(), self.sql.digest()).into(),
        }
    }

    /// Looks at the digest. One flight.
    pub(crate) async fn look(&self, wire: &Wire<'_>) -> Result<Look, Error> {
        match wire.rows(&self.digest_question()).await {
            Ok(rows) => Ok(match digest_of(&rows) {
                Some(digest) if digest == self.digest => Look::Current,
                _ => Look::Other,
            }),
            Err(error) if is_undefined(&error) => Ok(Look::Nothing),
            // A role that may read the history alone gets its answer from there.
            Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => Ok(Look::Other),
            Err(error) if error.code() == Some(&SqlState::UNDEFINED_COLUMN) => Ok(Look::Other),
            Err(error) => Err(Error::database(reading(self), error)),
        }
    }

    /// The rows of the history; nothing when there is no history. One flight.
    pub(crate) async fn records(&self, wire: &Wire<'_>) -> Result<Option<Vec<Record>>, Error> {
        // Rows that row security hides would be taken for migrations that are not applied: it is an error instead.
        let mut asked = wire.rows(&Session::aside(self.role.as_ref(), &self.sql.all())).await;
        if let Err(error) = &asked
            && error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE)
            && self.role.is_some()
        {
            // The application's role need not be the owner's to look.
            asked = wire.rows(&Session::aside(None, &self.sql.all())).await;
        }
        match asked {
            Ok(rows) => self.sql.records(&rows).map(Some),
            Err(error) if is_undefined(&error) => Ok(None),
            Err(error) if error.code() == Some(&SqlState::UNDEFINED_COLUMN) => {
                Err(Error::history(&self.history, NOT_OURS))
            }
            Err(error)
                if error
                    .as_db_error()
                    .is_some_and(|error| error.message().contains("row-level security")) =>
            {
                Err(Error::history(&self.history, HIDES))
            }
            Err(error) => Err(Error::database(reading(self), error)),
        }
    }
}
