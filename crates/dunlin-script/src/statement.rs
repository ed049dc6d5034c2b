use std::ops::Range;

use crate::Concurrent;

/// One statement of a script: where it stands and what the runner has to know about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    range: Range<usize>,
    kind: StatementKind,
}

impl Statement {
    pub(crate) fn new(range: Range<usize>, kind: StatementKind) -> Self {
        Self { range, kind }
    }

    /// The statement's bytes in the text that was split, from its first token to its last, without the `;`.
    ///
    /// The range of [`StatementKind::CopyFromStdin`] includes the `;` and the data after it.
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// The statement's text, given the text that was split.
    pub fn text<'a>(&self, script: &'a str) -> &'a str {
        script.get(self.range()).unwrap_or_default()
    }

    /// What kind of statement it is.
    pub fn kind(&self) -> &StatementKind {
        &self.kind
    }
}

/// What a statement means to the runner.
///
/// Statements are told apart by their words, not by a parser of PostgreSQL's whole grammar: what the words don't show (a
/// `COMMIT` inside a procedure that is called) the server will say.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StatementKind {
    /// Nothing special.
    Plain,
    /// Opens, ends or prepares a transaction: `BEGIN`, `COMMIT`, `ROLLBACK`, ... Savepoints are [`Plain`](Self::Plain).
    TransactionControl(&'static str),
    /// The server refuses it inside a transaction: `VACUUM`, `CREATE DATABASE`, ...
    OutsideTransaction(&'static str),
    /// Builds, drops or rebuilds indexes, or detaches a partition, concurrently. The server refuses it inside a transaction.
    Concurrent(Concurrent),
    /// Sets the session for the statements that follow: `SET`, `RESET`. Those that set a transaction (`SET LOCAL`, `SET
    /// TRANSACTION`, `SET CONSTRAINTS`) are [`Plain`](Self::Plain).
    Setting,
    /// `COPY ... FROM STDIN`, with the data that follows it.
    CopyFromStdin,
    /// `COPY ... TO STDOUT`.
    CopyToStdout,
    /// A command of psql, as `\connect`, or a statement that ends in one, as `SELECT 1 \gexec`.
    PsqlMeta,
}
