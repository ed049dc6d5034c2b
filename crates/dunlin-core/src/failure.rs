use std::borrow::Cow;
use std::fmt;

use tokio_postgres::Error as PgError;
use tokio_postgres::error::{DbError, ErrorPosition, Severity, SqlState};

/// What the server said, without what may hold row values.
#[derive(Debug)]
pub(crate) struct Failure {
    code: Option<SqlState>,
    message: String,
    detail: Option<String>,
}

impl Failure {
    /// What the server said; nothing when it said nothing but that the connection ends.
    pub(crate) fn of(error: &PgError) -> Option<Self> {
        let ended =
            |error: &&DbError| matches!(error.parsed_severity(), Some(Severity::Fatal | Severity::Panic));
        error.as_db_error().filter(|error| !ended(error)).map(|error| Self {
            code: Some(error.code().clone()),
            message: words(error).into_owned(),
            detail: error.detail().map(str::to_owned).or_else(|| match words(error) {
                Cow::Owned(_) => Some(error.message().to_owned()),
                Cow::Borrowed(_) => None,
            }),
        })
    }

    /// What the library says of a statement, where the server has said nothing.
    pub(crate) fn said(message: String) -> Self {
        Self { code: None, message, detail: None }
    }

    pub(crate) fn code(&self) -> Option<&SqlState> {
        self.code.as_ref()
    }

    pub(crate) fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(code) = &self.code {
            write!(f, " (SQLSTATE {})", code.code())?;
            if let Some(hint) = hint(code, &self.message) {
                write!(f, ": {hint}")?;
            }
        }
        Ok(())
    }
}

/// The driver's errors among an error and its causes.
pub(crate) fn server_errors<'e>(
    error: Option<&'e (dyn std::error::Error + 'static)>,
) -> impl Iterator<Item = &'e PgError> {
    std::iter::successors(error, |error| error.source()).filter_map(|error| error.downcast_ref())
}

/// Whether a server that refused a connection may take the next one: it is starting up, or has too many clients.
pub(crate) fn is_passing(code: &SqlState) -> bool {
    *code == SqlState::TOO_MANY_CONNECTIONS || code.code().starts_with("57P")
}

/// Whether it may when others went well before: poolers tell of a server that has gone in the same words as of a name that
/// they do not know.
pub(crate) fn may_pass(code: &SqlState) -> bool {
    is_passing(code) || code.code().starts_with("08")
}

/// The server's message without the values that it quotes: what can't be cast, or is out of range, may be of a row.
pub(crate) fn words(error: &DbError) -> Cow<'_, str> {
    let code = error.code();
    let quotes_values = code.code().starts_with("22") && *code != SqlState::INVALID_PARAMETER_VALUE;
    // Whatever a language quotes with. A quote may stand in the value: all is left out from the first to the last.
    let quotes = ['"', '\'', '»', '«', '„', '“', '”', '‘', '’', '「', '」', '『', '』'];
    let message = error.message();
    match (message.find(quotes), message.rmatch_indices(quotes).next()) {
        (Some(first), Some((last, quote))) if quotes_values => {
            let (before, after) = (message.get(..first), message.get(last.saturating_add(quote.len())..));
            format!("{}\"…\"{}", before.unwrap_or_default(), after.unwrap_or_default()).into()
        }
        _ => message.into(),
    }
}

/// Where in the text of the message that was sent the error is, counted in characters from 1.
pub(crate) fn position(error: &DbError) -> Option<usize> {
    match error.position()? {
        ErrorPosition::Original(position) => usize::try_from(*position).ok(),
        ErrorPosition::Internal { .. } => None,
    }
}

/// Errors that a second try may not meet: a lock timeout, a deadlock, a serialization failure, and a catalog row that
/// somebody else was updating.
pub(crate) fn is_transient(error: &DbError) -> bool {
    let code = error.code();
    [SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_DEADLOCK_DETECTED, SqlState::T_R_SERIALIZATION_FAILURE]
        .contains(code)
        || (*code == SqlState::INTERNAL_ERROR && error.message().starts_with("tuple concurrently"))
}

/// Advice for codes whose message does not say what to do.
fn hint(code: &SqlState, message: &str) -> Option<&'static str> {
    if *code == SqlState::UNSAFE_NEW_ENUM_VALUE_USAGE {
        Some(
            "an enum value can't be used in the transaction that added it, move its use to the next migration",
        )
    } else if *code == SqlState::ACTIVE_SQL_TRANSACTION && message.ends_with("inside a transaction block") {
        Some("add `-- dunlin: no-transaction` to its header")
    } else if *code == SqlState::OUT_OF_MEMORY {
        Some("too many locks in one transaction may need it split, or a higher max_locks_per_transaction")
    } else {
        None
    }
}
