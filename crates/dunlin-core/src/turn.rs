use std::time::Duration;

use dunlin_script::{Position, Statement, StatementKind};

use crate::Location;
use crate::flight::location;
use crate::journal::Journal;
use crate::stumble::Stumble;
use crate::task::Task;

/// The statement whose turn it is in a migration outside a transaction.
pub(crate) struct Turn<'t> {
    pub(crate) task: &'t Task<'t>,
    pub(crate) journal: &'t Journal<'t>,
    pub(crate) statement: &'t Statement,
    /// How many statements stand before it, and are done.
    pub(crate) done: usize,
    /// Whether an earlier run may have finished it without being able to say so.
    pub(crate) uncertain: bool,
}

impl<'t> Turn<'t> {
    pub(crate) fn sql(&self) -> &'t str {
        self.journal.text(self.statement.range())
    }

    /// Where it stands in the file, or a character inside it, counted from 1.
    pub(crate) fn location(&self, within: usize) -> Option<Location> {
        let script = self.task.script()?;
        // The server counts in characters of the message.
        let before = script.text.get(..self.statement.range().start).map_or(0, |text| text.chars().count());
        let number = u32::try_from(before.saturating_add(within.max(1))).unwrap_or(u32::MAX);
        Some(location(script, Position::of_char(&script.text, number)))
    }

    /// How long the file's header lets a statement run; zero is no end.
    pub(crate) fn statement_timeout(&self) -> Option<Duration> {
        self.task.script()?.statement_timeout
    }

    /// Whether the file itself has set this parameter before.
    pub(crate) fn is_set(&self, parameter: &str) -> bool {
        self.journal.statements().iter().take(self.done).any(|statement| {
            *statement.kind() == StatementKind::Setting
                && self.journal.text(statement.range()).to_ascii_lowercase().contains(parameter)
        })
    }
}

/// Why a statement was not done.
pub(crate) struct Halt {
    pub(crate) stumble: Stumble,
    /// What it has left behind, where that is known, for the error's text.
    pub(crate) remains: Option<String>,
    /// Whether it may be done all the same: the next run has to know that.
    pub(crate) is_in_doubt: bool,
}

impl From<Stumble> for Halt {
    fn from(stumble: Stumble) -> Self {
        Self { stumble, remains: None, is_in_doubt: false }
    }
}
