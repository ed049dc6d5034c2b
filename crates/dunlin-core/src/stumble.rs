use tokio_postgres::Error as PgError;
use tokio_postgres::error::SqlState;

use crate::failure::{Failure, is_transient, server_errors};
use crate::flight::Broken;
use crate::plan::Direction;
use crate::sql_migration::SqlScript;
use crate::task::Task;
use crate::verify;
use crate::{BoxError, Error};

/// Why an attempt did not come to its end.
pub(crate) enum Stumble {
    /// A second try may go well.
    Transient { error: Error, code: String },
    /// The server could not read the text of the migration that comes after so many others: nothing of the flight ran.
    Unreadable { before: usize },
    /// It is over.
    Fatal(Error),
    /// It is over, and the history says so already.
    Failed(Error),
}

impl Stumble {
    /// What the answers to a verify script mean.
    pub(crate) fn of_answers(
        task: &Task<'_>,
        script: &SqlScript,
        answers: verify::Answers,
    ) -> Result<(), Self> {
        let transient = |error: &PgError| error.as_db_error().is_some_and(is_transient);
        let errors = answers.iter().filter_map(|answer| answer.as_ref().err());
        let code = errors.into_iter().find(|error| transient(error)).and_then(PgError::code).cloned();
        verify::judge(task.id(), script, answers).map_err(|error| match code {
            Some(code) => Stumble::Transient { error, code: code.code().to_owned() },
            None => Stumble::Fatal(error),
        })
    }

    /// What an error in a flight means for the migration that it belongs to.
    pub(crate) fn of_flight(task: &Task<'_>, broken: Broken, savepoint: &str) -> Self {
        let Broken { error, location, .. } = broken;
        let (id, direction) = (task.id().clone(), task.direction());
        let Some(failure) = Failure::of(&error) else {
            return Stumble::Fatal(Error::database(format!("migration {id}"), error));
        };
        if let Some(error) = Error::of_lock(&error) {
            return Stumble::Fatal(error);
        }
        let gone = [SqlState::S_E_INVALID_SPECIFICATION, SqlState::NO_ACTIVE_SQL_TRANSACTION];
        let of_ours = error.as_db_error().is_some_and(|error| {
            error.message().contains(savepoint) || error.message().starts_with("RELEASE SAVEPOINT")
        });
        if location.is_none() && of_ours && error.code().is_some_and(|code| gone.contains(code)) {
            return Stumble::Fatal(Error::transaction_ended(id, direction, None));
        }
        let transient = error.as_db_error().is_some_and(is_transient);
        let code = error.code().map(|code| code.code().to_owned()).unwrap_or_default();
        let error = Error::migration_failed(id, direction, location, failure);
        if transient { Stumble::Transient { error, code } } else { Stumble::Fatal(error) }
    }

    /// What an error of a hook means.
    pub(crate) fn of_hook(task: &Task<'_>, hook: Hook, error: BoxError) -> Self {
        let transient = server_errors(Some(&*error))
            .filter_map(PgError::as_db_error)
            .find(|error| is_transient(error))
            .map(|error| error.code().code().to_owned());
        let id = task.id().clone();
        let error = match hook {
            Hook::Verify => Error::verify_code(id, error),
            Hook::Up | Hook::Down => Error::code_failed(id, task.direction(), error),
        };
        match transient {
            Some(code) => Stumble::Transient { error, code },
            None => Stumble::Fatal(error),
        }
    }
}

/// Which hook of a migration.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hook {
    Up,
    Down,
    Verify,
}

impl Hook {
    pub(crate) fn of(direction: Direction) -> Self {
        match direction {
            Direction::Up => Self::Up,
            Direction::Down => Self::Down,
        }
    }
}
