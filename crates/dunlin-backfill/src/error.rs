use std::fmt;

use dunlin_core::BoxError;
use tokio_postgres::error::SqlState;

/// Why a backfill did not come to its end.
///
/// [`kind`](Self::kind) is for branching, `Display` for people: it names the backfill, what is wrong and what to do. No text has a
/// row's values; a [`Poisoned`](ErrorKind::Poisoned) backfill names keys.
pub struct Error(Box<Inner>);

struct Inner {
    job: String,
    fault: Fault,
}

/// What kind of thing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The table, its key or its columns are not what the backfill is written for.
    Source,
    /// Whoever looks after the database has cancelled it.
    Cancelled,
    /// Its run was asked to [stop](dunlin_core::Stop).
    Stopped,
    /// More rows are poison than its budget allows.
    Poisoned,
    /// Rows remain that it should have changed.
    Remaining,
    /// The columns of a table were changed while it ran.
    SchemaChanged,
    /// The tables that it keeps its place in can't be trusted.
    Ledger,
    /// There is none of this name.
    Unknown,
    /// What [`enrich`](crate::Backfill::enrich) has said.
    Enrich,
    /// The server refused a statement, or was lost for too long.
    Database,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(
        "there is no table {table}: mend its `source`, or let the migration that creates the table come first"
    )]
    NoTable { table: String },
    #[error("{table} is {what}, and a backfill pages through a table: name the table that its rows are in")]
    NotATable { table: String, what: &'static str },
    #[error("{table} has no primary key: name the columns of a unique index with `Source::key`")]
    NoKey { table: String },
    #[error(
        "{table} has no unique index on ({columns}) in this order: pages would miss rows. Name the columns of one, or create it first"
    )]
    KeyNotUnique { table: String, columns: String },
    #[error(
        "{table}.{column} may hold NULL, and is part of the key: pages would miss rows. Set it NOT NULL first"
    )]
    KeyNull { table: String, column: String },
    #[error(
        "{table} has no column {column}, which its change is written to: mend the name, or add the column first"
    )]
    NoColumn { table: String, column: String },
    #[error(
        "`{field}` of its `Change` needs a type, as {table} has no column of this name: write `#[change(cast = \"...\")]` above it"
    )]
    NoCast { table: String, field: &'static str },
    #[error(
        "`missing_in` names {named} columns of {table}, and the key of {source_table} has {key}: name one for each, in its order"
    )]
    MissingIn { table: String, named: usize, source_table: String, key: usize },
    #[error("`{field}` of its `{part}` is `{rust}`, and {column} is {sql}: choose a type that {verb}")]
    Mismatch {
        part: &'static str,
        field: &'static str,
        rust: &'static str,
        column: String,
        sql: String,
        verb: &'static str,
    },
    #[error("the SQL of its {part} is not right: {text}")]
    Sql { part: &'static str, text: String },
    #[error(
        "what it writes leaves `{condition}` true, so that it would never end: let the change make it false, or mend `remaining`"
    )]
    StillRemains { condition: String },
    #[error("it was cancelled: `Backfills::resume` lets it go on where it is")]
    Cancelled,
    #[error("{0}; the next call goes on where it is")]
    Stopped(#[source] dunlin_core::Stopped),
    #[error("its migration was reverted while it ran: apply it again to begin anew")]
    Forgotten,
    #[error(
        "{quarantined} of {looked_at} rows are poison, more than its budget allows, the last one for \"{why}\": {table} has \
         their keys. Mend the rows or `convert` and call `Backfills::retry_quarantined`, which goes on where it stopped; or raise \
         `Settings::budget` and run again"
    )]
    Poisoned { quarantined: u64, looked_at: u64, why: String, table: String },
    #[error(
        "{count} rows still have to be changed, the first with the key {key}: {}",
        if *.is_finished {
            "something writes rows in the old way, or `remaining` and `convert` do not agree"
        } else {
            "it is not finished, `Migrator::finish_backfills` works on it until it is"
        }
    )]
    Remaining { count: String, key: String, is_finished: bool },
    #[error("the schema was changed under it: {text}. Mend it and run again, which goes on where it stopped")]
    SchemaChanged { text: String },
    #[error(
        "{table} is no plain table of this role's, or has triggers, rules or row security: look at who made it, and mend or drop it"
    )]
    Tampered { table: String },
    #[error("there is none of this name that has ever begun")]
    Unknown,
    #[error("its tables can't be named after the history: {0}")]
    Names(dunlin_core::IdentError),
    #[error("what its `enrich` asks for could not be had; run again, which goes on where it stopped")]
    Enrich(#[source] BoxError),
    #[error("{what}: {text}")]
    Refused { what: &'static str, text: String, code: Option<SqlState> },
    #[error("{0}")]
    Core(dunlin_core::Error),
}

impl Error {
    pub(crate) fn new(job: &str, fault: Fault) -> Self {
        Self(Box::new(Inner { job: job.to_owned(), fault }))
    }

    /// The name of the backfill.
    #[must_use]
    pub fn backfill(&self) -> &str {
        &self.0.job
    }

    /// What kind of thing went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self.0.fault {
            Fault::NoTable { .. }
            | Fault::NotATable { .. }
            | Fault::NoKey { .. }
            | Fault::KeyNotUnique { .. }
            | Fault::KeyNull { .. }
            | Fault::NoColumn { .. }
            | Fault::NoCast { .. }
            | Fault::MissingIn { .. }
            | Fault::Mismatch { .. }
            | Fault::Sql { .. }
            | Fault::StillRemains { .. } => ErrorKind::Source,
            Fault::Cancelled | Fault::Forgotten => ErrorKind::Cancelled,
            Fault::Stopped(_) => ErrorKind::Stopped,
            Fault::Poisoned { .. } => ErrorKind::Poisoned,
            Fault::Remaining { .. } => ErrorKind::Remaining,
            Fault::SchemaChanged { .. } => ErrorKind::SchemaChanged,
            Fault::Tampered { .. } => ErrorKind::Ledger,
            Fault::Enrich(_) => ErrorKind::Enrich,
            Fault::Unknown => ErrorKind::Unknown,
            Fault::Names(_) | Fault::Refused { .. } | Fault::Core(_) => ErrorKind::Database,
        }
    }

    /// The SQLSTATE with which the server refused something.
    #[must_use]
    pub fn code(&self) -> Option<&SqlState> {
        match &self.0.fault {
            Fault::Refused { code, .. } => code.as_ref(),
            Fault::Core(error) => error.code(),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "backfill {}: {}", self.0.job, self.0.fault)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            write!(f, ": {cause}")?;
            source = cause.source();
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.0.fault)
    }
}

/// What the server says about an error, without what it says about values.
pub(crate) fn text_of(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(error) => without_values(error.code(), error.message()),
        None => error.to_string(),
    }
}

/// A message about data (class 22) quotes them: what stands between its first and its last quote is left out.
fn without_values(code: &SqlState, message: &str) -> String {
    let code = code.code();
    let quotes = message.find('"').zip(message.rfind('"')).filter(|_| code.starts_with("22"));
    let told = quotes.and_then(|(first, last)| {
        Some(format!("{}...{}", message.get(..first)?, message.get(last..)?.get(1..)?))
    });
    format!("{} ({code})", told.as_deref().unwrap_or(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_left_out_of_what_the_server_says() {
        let told = |code, message| without_values(&SqlState::from_code(code), message);
        let cases = [
            told("22P02", "invalid input syntax for type integer: \"a \"secret\"\""),
            told("22003", "value \"99999999999\" is out of range for type integer"),
            told("22012", "division by zero"),
            told("42703", "column \"dubble\" does not exist"),
        ];
        insta::assert_snapshot!(cases.join("\n"), @r#"
        invalid input syntax for type integer: ... (22P02)
        value ... is out of range for type integer (22003)
        division by zero (22012)
        column "dubble" does not exist (42703)
        "#);
    }
}
