/// The rows that a backfill is about: a table, and a condition that holds for a row until the backfill has done its work on it.
///
/// All SQL in it is the program's own, as that of a migration is: nothing of it may come from outside. It names the table's columns by
/// themselves or behind the table's name (`users.id`), and finds other tables by the `search_path` of migrations.
///
/// ```
/// use dunlin_backfill::Source;
///
/// Source::table("users").remaining("full_name IS NULL");
/// Source::table("app.orders").remaining("total IS NULL").filter("placed_at < '2026-01-01'").key(["region", "number"]);
/// Source::table("readings").missing_in("daily_readings", ["reading_id"]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Source {
    pub(crate) table: String,
    pub(crate) remaining: Remaining,
    pub(crate) filter: Option<String>,
    pub(crate) key: Vec<String>,
}

/// What holds for a row until it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Remaining {
    Condition(String),
    /// This table has no row in which these columns are the row's key.
    MissingIn {
        table: String,
        columns: Vec<String>,
    },
}

impl Source {
    /// The rows of this table, which is named as in SQL: `users`, `app.users`, `"Users"`.
    pub fn table(name: impl Into<String>) -> SourceTable {
        SourceTable { name: name.into() }
    }

    /// Leaves out rows that do not meet this condition: they are none of the backfill's. It should not depend on anything that changes
    /// meanwhile.
    pub fn filter(self, condition: impl Into<String>) -> Self {
        Self { filter: Some(condition.into()), ..self }
    }

    /// Pages by these columns, which must be NOT NULL and have a unique index in this order. Without it, by the primary key.
    pub fn key<C: Into<String>>(self, columns: impl IntoIterator<Item = C>) -> Self {
        Self { key: columns.into_iter().map(Into::into).collect(), ..self }
    }
}

/// A table of which has to be said which of its rows [remain](Self::remaining).
#[derive(Clone, Debug)]
#[must_use]
pub struct SourceTable {
    name: String,
}

impl SourceTable {
    /// The rows that are still to be done meet this condition; whatever the backfill writes for a row must make it false.
    ///
    /// It is what makes a backfill exact. Nothing is done twice, whoever has done it: a row that the application has written
    /// meanwhile in the new way is no longer one that remains. What was missed, as it was committed late, is found by it in the final
    /// sweep. And it is what `verify` looks for. A row for which [`convert`](crate::Backfill::convert) returns `None` may go
    /// on meeting it.
    pub fn remaining(self, condition: impl Into<String>) -> Source {
        self.with(Remaining::Condition(condition.into()))
    }

    /// The rows are still to be done that have no row in this other table, in which these columns are their key: one for each
    /// column of the key, in its order. It is [`remaining`](Self::remaining) for a table that is filled, said so that it can be
    /// relied on: while [`Write::copy_into`](crate::Write::copy_into) fills a table that was empty when the backfill began, nobody
    /// looks up for each row whether it is there already.
    ///
    /// What the change writes to these columns has to be the key of the row that was read.
    pub fn missing_in<C: Into<String>>(
        self,
        table: impl Into<String>,
        columns: impl IntoIterator<Item = C>,
    ) -> Source {
        let columns = columns.into_iter().map(Into::into).collect();
        self.with(Remaining::MissingIn { table: table.into(), columns })
    }

    fn with(self, remaining: Remaining) -> Source {
        Source { table: self.name, remaining, filter: None, key: Vec::new() }
    }
}
