//! What can go wrong while a batch is read or written, and what is to be done about it.

use dunlin_core::ErrorKind as CoreErrorKind;
use tokio_postgres::Error as SqlError;
use tokio_postgres::error::SqlState;

use crate::error::{Fault, text_of};
use crate::ledger::FENCED;

/// What went wrong.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It ends the backfill.
    Fault(Fault),
    /// The server has refused a statement, or is gone.
    Server(SqlError),
    /// The range is somebody else's by now.
    Fenced,
    /// The driver can't write a value as what its column is.
    Unwritable,
}

/// What is to be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// The same again with fewer rows, after a while.
    Retry,
    /// The same again with fewer rows, until it is known which row it is.
    Bisect,
    /// Another connection.
    Reconnect,
    /// Another range.
    MoveOn,
    /// Nothing.
    Fail,
}

impl Trouble {
    pub(crate) fn remedy(&self) -> Remedy {
        match self {
            Self::Fault(Fault::Core(error))
                if matches!(error.kind(), CoreErrorKind::Connect | CoreErrorKind::Connection) =>
            {
                Remedy::Reconnect
            }
            Self::Fault(_) => Remedy::Fail,
            Self::Fenced => Remedy::MoveOn,
            Self::Unwritable => Remedy::Bisect,
            Self::Server(error) => match error.code() {
                Some(code) => remedy_for(code),
                None if is_lost(error) => Remedy::Reconnect,
                // A value that the driver can't write.
                None => Remedy::Bisect,
            },
        }
    }

    /// What it is to people, when nothing is to be done about it.
    pub(crate) fn into_fault(self, what: &'static str) -> Fault {
        match self {
            Self::Fault(fault) => fault,
            Self::Fenced => {
                Fault::Refused { what, text: "another worker has taken over".to_owned(), code: None }
            }
            Self::Unwritable => {
                Fault::Refused { what, text: "a value that can't be written".to_owned(), code: None }
            }
            Self::Server(error) => {
                let text = text_of(&error);
                match error.code() {
                    Some(code) if is_about_the_schema(code) => Fault::SchemaChanged { text },
                    code => Fault::Refused { what, text, code: code.cloned() },
                }
            }
        }
    }

    /// A word for the quarantine.
    pub(crate) fn code(&self) -> Option<&SqlState> {
        match self {
            Self::Server(error) => error.code(),
            Self::Fault(_) | Self::Fenced | Self::Unwritable => None,
        }
    }
}

fn is_lost(error: &SqlError) -> bool {
    let cause = std::error::Error::source(error);
    error.is_closed() || cause.is_some_and(|cause| cause.is::<std::io::Error>())
}

fn remedy_for(code: &SqlState) -> Remedy {
    const RETRY: [&SqlState; 4] = [
        &SqlState::QUERY_CANCELED,
        &SqlState::LOCK_NOT_AVAILABLE,
        &SqlState::T_R_DEADLOCK_DETECTED,
        &SqlState::T_R_SERIALIZATION_FAILURE,
    ];
    const GONE: [&SqlState; 4] = [
        &SqlState::ADMIN_SHUTDOWN,
        &SqlState::CRASH_SHUTDOWN,
        &SqlState::CANNOT_CONNECT_NOW,
        &SqlState::TOO_MANY_CONNECTIONS,
    ];
    if RETRY.contains(&code) {
        return Remedy::Retry;
    }
    if GONE.contains(&code) {
        return Remedy::Reconnect;
    }
    match code.code().get(..2) {
        // Data, constraints, and what triggers raise.
        Some("22" | "23" | "P0" | "44") => Remedy::Bisect,
        Some("08" | "57") => Remedy::Reconnect,
        _ => Remedy::Fail,
    }
}

fn is_about_the_schema(code: &SqlState) -> bool {
    [
        &SqlState::UNDEFINED_COLUMN,
        &SqlState::UNDEFINED_TABLE,
        &SqlState::DATATYPE_MISMATCH,
        &SqlState::UNDEFINED_FUNCTION,
        &SqlState::UNDEFINED_OBJECT,
        // A prepared statement's columns have other types now.
        &SqlState::FEATURE_NOT_SUPPORTED,
    ]
    .contains(&code)
}

impl From<SqlError> for Trouble {
    fn from(error: SqlError) -> Self {
        match error.as_db_error() {
            Some(said) if said.message().contains(FENCED) => Self::Fenced,
            _ => Self::Server(error),
        }
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_done_follows_from_the_code() {
        let cases = [
            ("57014", Remedy::Retry),
            ("55P03", Remedy::Retry),
            ("40P01", Remedy::Retry),
            ("40001", Remedy::Retry),
            ("22012", Remedy::Bisect),
            ("23514", Remedy::Bisect),
            ("P0001", Remedy::Bisect),
            ("57P01", Remedy::Reconnect),
            ("08006", Remedy::Reconnect),
            ("42703", Remedy::Fail),
            ("42501", Remedy::Fail),
            ("53100", Remedy::Fail),
        ];
        for (code, remedy) in cases {
            assert_eq!(remedy_for(&SqlState::from_code(code)), remedy, "{code}");
        }
    }
}
