use std::ops::Range;

use dunlin_script::{Checksums, CreateIndex, Digest, Statement, split};

use crate::history::Record;
use crate::sql_migration::SqlScript;
use crate::{Error, Migration};

/// The statements of a script that runs outside a transaction, and a digest over those that are done.
///
/// The history keeps how many statements are done and this digest, so that the next run goes on at the first one that
/// is not done, and only if those before it are still what they were.
pub(crate) struct Journal<'a> {
    migration: &'a dyn Migration,
    script: Option<&'a SqlScript>,
    statements: Vec<Statement>,
}

impl<'a> Journal<'a> {
    pub(crate) fn of_up(migration: &'a dyn Migration) -> Self {
        Self::of(migration, migration.as_sql().map(|sql| sql.up_script()))
    }

    pub(crate) fn of_down(migration: &'a dyn Migration) -> Self {
        Self::of(migration, migration.as_sql().and_then(|sql| sql.down_script()))
    }

    fn of(migration: &'a dyn Migration, script: Option<&'a SqlScript>) -> Self {
        // The text was split without a problem when the migration was made.
        let statements = script.and_then(|script| split(&script.text).ok()).unwrap_or_default();
        Self { migration, script, statements }
    }

    pub(crate) fn statements(&self) -> &[Statement] {
        &self.statements
    }

    pub(crate) fn text(&self, range: Range<usize>) -> &'a str {
        self.script.and_then(|script| script.text.get(range)).unwrap_or_default()
    }

    /// One of its statements, written for another table and without `CONCURRENTLY`.
    pub(crate) fn on_table(&self, create: &CreateIndex, table: &str, statement: &Statement) -> String {
        let text = self.script.map_or("", |script| &script.text);
        create.on_table(table, text, statement.range())
    }

    /// A digest over the tokens of the first `done` statements.
    pub(crate) fn digest(&self, done: usize) -> Digest {
        let mut tokens = String::new();
        for statement in self.statements.iter().take(done) {
            tokens.push_str(&Checksums::of(self.text(statement.range())).tokens().to_string());
        }
        Digest::of(tokens.as_bytes())
    }

    /// Refuses to resume when a statement that has run says something else now.
    pub(crate) fn check(&self, record: &Record) -> Result<(), Error> {
        let done = record.statements_done;
        if done == 0 {
            return Ok(());
        }
        let unchanged = done <= self.statements.len() && record.statements_digest == Some(self.digest(done));
        if unchanged { Ok(()) } else { Err(Error::edited_half_way(self.migration.id().clone(), done)) }
    }
}
