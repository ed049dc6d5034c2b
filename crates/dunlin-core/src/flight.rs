//! One message that carries many transactions, and what its answers say.

use std::pin::Pin;

use dunlin_script::{Position, split};
use futures_util::TryStreamExt;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Error as PgError, SimpleQueryMessage, SimpleQueryRow, SimpleQueryStream};

use crate::error::Location;
use crate::failure::{self, Failure};
use crate::history_sql::Recorded;
use crate::sql_migration::SqlScript;

/// Builds the text of a message, statement by statement, and remembers where the scripts of migrations are in it.
#[derive(Debug, Default)]
pub(crate) struct Flight<'m> {
    sql: String,
    characters: usize,
    /// How many of the library's own statements follow the last script.
    own: usize,
    segments: Vec<Segment<'m>>,
    /// For each record that is followed by its COMMIT: how many statements complete from one to the other.
    commits: Vec<usize>,
}

/// A migration's script in a flight.
#[derive(Debug)]
struct Segment<'m> {
    script: &'m SqlScript,
    /// Where the script starts and ends in the message, in characters from 1, as the server counts.
    start: usize,
    end: usize,
    /// How many of the library's own statements stand between the script before and this one.
    own_before: usize,
}

impl<'m> Flight<'m> {
    pub(crate) fn len(&self) -> usize {
        self.sql.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.sql.is_empty()
    }

    pub(crate) fn sql(&self) -> &str {
        &self.sql
    }

    /// Adds statements of the library's own, without semicolons.
    pub(crate) fn push<S: AsRef<str>>(&mut self, statements: impl IntoIterator<Item = S>) {
        for statement in statements {
            self.append(statement.as_ref());
            self.append(";\n");
            self.own = self.own.saturating_add(1);
        }
    }

    /// Adds the statements that record a migration, of which the first returns the row, and the COMMIT.
    pub(crate) fn push_record(&mut self, statements: Vec<String>) {
        self.commits.push(statements.len().saturating_add(1));
        self.push(statements);
        self.push(["COMMIT"]);
    }

    /// Adds the script of a migration.
    pub(crate) fn push_script(&mut self, script: &'m SqlScript) {
        let start = self.characters.saturating_add(1);
        self.append(&script.text);
        let end = self.characters;
        // The line end closes a comment that the script may end in.
        self.append("\n;\n");
        self.segments.push(Segment { script, start, end, own_before: self.own });
        self.own = 0;
    }

    /// Reads the answers and calls `committed` for each record whose COMMIT has gone through, in order.
    ///
    /// Returns the records that were not followed by a COMMIT of their own, and the last row of all. When it fails, what
    /// was committed stays.
    pub(crate) async fn answers(
        &self,
        mut answers: Pin<&mut SimpleQueryStream>,
        run_id: &str,
        mut committed: impl FnMut(Recorded),
    ) -> Result<(Vec<Recorded>, Option<SimpleQueryRow>), Broken> {
        let mut commits = self.commits.iter();
        let mut waiting: Option<(Recorded, usize)> = None;
        let (mut open, mut last) = (Vec::new(), None);
        let mut completed = 0_usize;
        loop {
            match answers.as_mut().try_next().await {
                Ok(None) => return Ok((open, last)),
                Ok(Some(SimpleQueryMessage::CommandComplete(_))) => {
                    completed = completed.saturating_add(1);
                    waiting = match waiting {
                        Some((recorded, 1)) => {
                            committed(recorded);
                            None
                        }
                        Some((recorded, left)) => Some((recorded, left.saturating_sub(1))),
                        None => None,
                    };
                }
                Ok(Some(SimpleQueryMessage::Row(row))) => {
                    if let Some(recorded) = Recorded::of(&row, run_id) {
                        match commits.next() {
                            Some(left) => waiting = Some((recorded, *left)),
                            None => open.push(recorded),
                        }
                    }
                    last = Some(row);
                }
                Ok(Some(_)) => {}
                Err(error) => return Err(self.broken(error, completed)),
            }
        }
    }

    fn broken(&self, error: PgError, completed: usize) -> Broken {
        let position = error.as_db_error().and_then(failure::position);
        let place = position.and_then(|position| {
            let within = |segment: &Segment<'_>| (segment.start..=segment.end).contains(&position);
            self.segments.iter().position(within)
        });
        let (segment, location) = match place.and_then(|index| self.segments.get(index)) {
            Some(segment) => {
                let number = position.unwrap_or(1).saturating_sub(segment.start).saturating_add(1);
                let position =
                    Position::of_char(&segment.script.text, u32::try_from(number).unwrap_or(u32::MAX));
                (place, Some(location(segment.script, position)))
            }
            // Without a position, the statements that went well before tell the one that did not.
            None => match self.statement(completed) {
                Some((segment, location)) => (Some(segment), Some(location)),
                None => (None, None),
            },
        };
        // A message that could be read may still fail with its first statement, when the transaction is not what it
        // should be.
        let states = [
            SqlState::IN_FAILED_SQL_TRANSACTION,
            SqlState::NO_ACTIVE_SQL_TRANSACTION,
            SqlState::S_E_INVALID_SPECIFICATION,
        ];
        let unparsed = completed == 0
            && Failure::of(&error).is_some_and(|it| it.code().is_some_and(|code| !states.contains(code)));
        Broken { unparsed, completed, error, segment, location }
    }

    /// Where the statement is that follows the first `completed` ones, when it is a script's.
    fn statement(&self, completed: usize) -> Option<(usize, Location)> {
        let mut left = completed;
        for (index, Segment { script, own_before, .. }) in self.segments.iter().enumerate() {
            left = left.checked_sub(*own_before)?;
            let statements = split(&script.text).ok()?;
            if let Some(statement) = statements.get(left) {
                return Some((
                    index,
                    location(script, Position::of_byte(&script.text, statement.range().start)),
                ));
            }
            left = left.checked_sub(statements.len())?;
        }
        None
    }

    fn append(&mut self, text: &str) {
        self.sql.push_str(text);
        self.characters = self.characters.saturating_add(text.chars().count());
    }
}

/// A flight that did not come through.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) error: PgError,
    /// Nothing of the message ran: the server could not read it, or the connection is gone.
    pub(crate) unparsed: bool,
    /// How many statements had completed before.
    pub(crate) completed: usize,
    /// The script that the error is in, counted from 0.
    pub(crate) segment: Option<usize>,
    pub(crate) location: Option<Location>,
}

pub(crate) fn location(script: &SqlScript, position: Position) -> Location {
    Location { file: script.file.to_string(), line: position.line(), column: position.column() }
}
