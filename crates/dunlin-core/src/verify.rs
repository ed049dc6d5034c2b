//! Verify scripts: what they return is looked at here.

use std::future::{Future, poll_fn};
use std::task::Poll;

use dunlin_script::{Position, Statement, split};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error as PgError, Row};

use crate::error::Location;
use crate::failure::Failure;
use crate::flight::location;
use crate::sql_migration::SqlScript;
use crate::{Error, MigrationId};

/// The most that an error shows of a statement, in characters.
const SHOWN: usize = 120;

/// The answers to the statements of a verify script, in order.
pub(crate) type Answers = Vec<Result<Vec<Row>, PgError>>;

/// Sends all statements at once. They go through the extended protocol, unnamed, as only that tells the types.
pub(crate) async fn ask(client: &Client, script: &SqlScript) -> Answers {
    let statements = split(&script.text).unwrap_or_default();
    all(statements.iter().map(|statement| client.query_typed(statement.text(&script.text), &[]))).await
}

/// Polls all futures until each is done. `futures_util::future::join_all` would bring more of its crate into every
/// build than this whole file is.
async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.map(|future| (Some(Box::pin(future)), None)).collect();
    poll_fn(|cx| {
        for (future, output) in &mut waiting {
            if let Some(Poll::Ready(ready)) = future.as_mut().map(|future| future.as_mut().poll(cx)) {
                (*future, *output) = (None, Some(ready));
            }
        }
        if waiting.iter().all(|(future, _)| future.is_none()) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    waiting.into_iter().filter_map(|(_, output)| output).collect()
}

/// Passes when every statement has succeeded and every boolean is true.
pub(crate) fn judge(id: &MigrationId, script: &SqlScript, answers: Answers) -> Result<(), Error> {
    let statements = split(&script.text).unwrap_or_default();
    // The statement that has failed, not those that found the transaction aborted: looking a type up sends queries after
    // all statements, so these may come first.
    let aborted = |answer: &Result<Vec<Row>, PgError>| {
        answer.as_ref().is_err_and(|error| error.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION))
    };
    let any_other = answers.iter().any(|answer| answer.is_err() && !aborted(answer));
    for (statement, answer) in statements.iter().zip(answers) {
        if any_other && aborted(&answer) {
            continue;
        }
        let place = || -> Option<Location> {
            Some(location(script, Position::of_byte(&script.text, statement.range().start)))
        };
        match answer {
            Ok(rows) => {
                if let Some(what) = rows.iter().find_map(untrue) {
                    let what = format!("{what}: `{}`", shown(statement, script));
                    return Err(Error::verify(id.clone(), place(), what, None));
                }
            }
            Err(error) => match Failure::of(&error) {
                Some(failure) => {
                    let what = format!("{failure}: `{}`", shown(statement, script));
                    return Err(Error::verify(id.clone(), place(), what, Some(failure)));
                }
                None => return Err(Error::database(format!("verifying migration {id}"), error)),
            },
        }
    }
    Ok(())
}

/// Says which column of a row is a boolean that is not true.
fn untrue(row: &Row) -> Option<String> {
    let booleans = row.columns().iter().enumerate().filter(|(_, column)| *column.type_() == Type::BOOL);
    for (index, column) in booleans {
        let said = match row.try_get::<_, Option<bool>>(index) {
            Ok(Some(true)) => continue,
            Ok(Some(false)) => "false",
            Ok(None) => "NULL",
            Err(_) => "no boolean",
        };
        // The name that the server gives to what has none.
        return Some(match column.name() {
            "?column?" => format!("it returned {said}"),
            name => format!("column `{name}` is {said}"),
        });
    }
    None
}

/// A statement in one line, shortened.
fn shown(statement: &Statement, script: &SqlScript) -> String {
    let line = statement.text(&script.text).split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} …", line.get(..end).unwrap_or_default()),
        None => line,
    }
}
