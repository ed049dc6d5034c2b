//! The SQL that reads and writes rows.
//!
//! A source's own expressions run under the `search_path` of migrations; what is ours beside them is qualified where a name could be somebody
//! else's. The columns of a key are compared by the operators of their type, wherever those are.

use crate::Source;
use crate::job::Job;
use crate::shape::{Shape, quoted};
use crate::source::Remaining;
use crate::track::{Bounds, Track};
use crate::write::WriteKind;
use crate::write_sql::{copy, unnested, write};

/// The texts for one backfill on one table.
#[derive(Clone, Debug)]
pub(crate) struct Statements {
    table: String,
    /// By what a row is known.
    pub(crate) key: Track,
    /// What this pass goes along.
    pub(crate) track: Track,
    /// What a page selects: the key, the version, then what the row reads.
    columns: String,
    remaining: String,
    condition: String,
    filter: String,
    /// Copies changes into a table that is filled.
    pub(crate) copy: Option<String>,
    /// Writes changes: parameters are the arrays that [`Parameters`] names.
    pub(crate) write: String,
    pub(crate) parameters: Parameters,
    /// How many parameters it has.
    pub(crate) arrays: usize,
    /// Whether the rows that are read stay locked until their changes are written.
    pub(crate) locks: bool,
    /// Whether a page is a span of the key, in which whatever remains is looked for, and not the first rows that remain: a condition that
    /// asks other tables would ask them as a whole for each page, as the planner does not know how few of the rows are wanted.
    pub(crate) spans: bool,
    /// Whether it looks after what was missed.
    pub(crate) sweeps: bool,
    /// Whether its condition asks other tables.
    pub(crate) asks: bool,
    /// Whether it takes all rows for such that remain.
    pub(crate) takes_all: bool,
}

/// What the arrays are that the statement which writes takes, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parameters {
    pub(crate) keys: bool,
    pub(crate) versions: bool,
}

impl Parameters {
    fn count(self, key_parts: usize, columns: usize) -> usize {
        let keys = if self.keys { key_parts } else { 0 };
        usize::from(self.versions).saturating_add(columns).saturating_add(keys)
    }
}

impl Statements {
    pub(crate) fn new(job: &dyn Job, source: &Source, shape: &Shape, types: &[String]) -> Self {
        let reads = job.row_columns().iter().map(|column| match column.sql {
            Some(sql) => enclosed(sql),
            None => format!("{}.{}", shape.table, quoted(column.name)),
        });
        let own = shape.key.iter().map(|part| format!("{}.{}", shape.table, part.name));
        let own = own.chain([format!("{}.xmin", shape.table)]);
        let columns = own.chain(reads).collect::<Vec<_>>().join(", ");
        let kind = job.write().0;
        let remaining = remaining(&source.remaining, shape);
        let asks = asks(&remaining) || source.filter.as_deref().is_some_and(asks);
        let (write, parameters) = write(&kind, job.change_columns(), shape, types);
        Self {
            table: shape.table.clone(),
            key: Track::key(shape),
            track: Track::key(shape),
            columns,
            condition: enclosed(&remaining),
            remaining,
            filter: source
                .filter
                .as_deref()
                .map(|filter| format!(" AND {}", enclosed(filter)))
                .unwrap_or_default(),
            arrays: parameters.count(shape.key.len(), types.len()),
            copy: copy(&kind, job.change_columns()),
            write,
            parameters,
            locks: !matches!(kind, WriteKind::Update | WriteKind::Copy { .. }),
            spans: asks,
            sweeps: false,
            asks,
            takes_all: false,
        }
    }

    /// How many columns a page has before those of the row.
    pub(crate) fn own_columns(&self) -> usize {
        self.key.len().saturating_add(1)
    }

    /// The rows that remain within these bounds, in the order of the key. Parameters: the key that they come after, the last one, how many.
    pub(crate) fn page(&self, bounds: Bounds) -> String {
        let (within, next) = self.track.within(bounds);
        // A span is read as a whole, and places as they come.
        let order = match self.track.is_places() {
            true => String::new(),
            false => format!(" ORDER BY {}", self.track.list()),
        };
        let lock = if self.locks { format!(" FOR NO KEY UPDATE OF {}", self.alias()) } else { String::new() };
        format!(
            "SELECT {} FROM {} WHERE {within}{}{}{order} LIMIT ${next}{lock}",
            self.columns, self.table, self.condition, self.filter,
        )
    }

    /// The same without the rows that this backfill has set aside.
    pub(crate) fn without_quarantined(self, quarantine: &str, job: &str) -> Self {
        let key =
            self.key.parts().iter().map(|part| format!("{}.{}::pg_catalog.text", self.table, part.name));
        let filter = format!(
            "{} AND NOT EXISTS (SELECT FROM {quarantine} AS dunlin_q WHERE dunlin_q.job OPERATOR(pg_catalog.=) {} \
             AND dunlin_q.key OPERATOR(pg_catalog.=) ARRAY[{}])",
            self.filter,
            literal(job),
            key.collect::<Vec<_>>().join(", ")
        );
        // What was missed are a few rows: one question finds all.
        Self { filter, track: self.key.clone(), spans: false, sweeps: true, ..self }
    }

    /// The same along the places of the rows.
    pub(crate) fn along_places(self, shape: &Shape) -> Self {
        Self { track: Track::places(shape), spans: true, ..self }
    }

    /// The same for a table of which nothing is done but what this backfill does: no row is asked whether it remains.
    pub(crate) fn taking_all(self) -> Self {
        let asks = asks(&self.filter);
        let spans = asks || self.track.is_places();
        Self { condition: "true".to_owned(), spans, asks, takes_all: true, ..self }
    }

    /// Those of the rows with these keys that remain, locked. Parameters: an array for each part of the key.
    pub(crate) fn moved(&self) -> String {
        format!(
            "SELECT {} FROM {} WHERE {} AND {}{} FOR NO KEY UPDATE OF {}",
            self.columns,
            self.table,
            self.among(1),
            self.condition,
            self.filter,
            self.alias(),
        )
    }

    /// Finds the rows with these keys.
    pub(crate) fn look_up(&self) -> String {
        format!("SELECT pg_catalog.count(*) FROM {} WHERE {}", self.table, self.among(1))
    }

    /// How many of the rows with these keys remain.
    pub(crate) fn still_remains(&self) -> String {
        format!(
            "SELECT pg_catalog.count(*) FROM {} WHERE {} AND {}{}",
            self.table,
            self.among(1),
            self.condition,
            self.filter
        )
    }

    /// Whether any row remains.
    pub(crate) fn any(&self) -> String {
        format!("SELECT EXISTS (SELECT FROM {} WHERE {}{})", self.table, self.condition, self.filter)
    }

    /// What holds for a row until it is done, as the program has said it.
    pub(crate) fn remaining(&self) -> &str {
        &self.remaining
    }

    fn among(&self, first: usize) -> String {
        let arrays: Vec<_> = self
            .key
            .parts()
            .iter()
            .enumerate()
            .map(|(index, part)| unnested(first.saturating_add(index), &part.ty))
            .collect();
        format!("({}) IN (SELECT * FROM ROWS FROM ({}) AS keys)", self.key.list(), arrays.join(", "))
    }

    /// What FOR UPDATE calls the table: without its schema.
    fn alias(&self) -> &str {
        unqualified(&self.table)
    }
}

/// What holds for a row until it is done, as SQL.
fn remaining(remaining: &Remaining, shape: &Shape) -> String {
    match remaining {
        Remaining::Condition(condition) => condition.clone(),
        Remaining::MissingIn { table, columns } => {
            let same = columns.iter().zip(&shape.key).map(|(column, part)| {
                format!("dunlin_there.{} = {}.{}", quoted(column), shape.table, part.name)
            });
            let same = same.collect::<Vec<_>>().join(" AND ");
            format!("NOT EXISTS (SELECT FROM {table} AS dunlin_there WHERE {same})")
        }
    }
}

/// Whether an expression asks a table.
fn asks(sql: &str) -> bool {
    let mut words = sql.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    words.any(|word| word.eq_ignore_ascii_case("select"))
}

/// A program's expression, which may end in a comment.
fn enclosed(sql: &str) -> String {
    format!("({sql}\n)")
}

/// A text as SQL has it, whatever `standard_conforming_strings` says.
pub(crate) fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// The name behind the last dot that is not inside quotes.
fn unqualified(name: &str) -> &str {
    let mut is_quoted = false;
    let mut start = 0;
    for (place, character) in name.char_indices() {
        match character {
            '"' => is_quoted = !is_quoted,
            '.' if !is_quoted => start = place.saturating_add(1),
            _ => {}
        }
    }
    name.get(start..).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_with_a_select_asks_a_table() {
        assert!(asks("NOT EXISTS (SELECT FROM others WHERE others.id = people.id)"));
        assert!(asks("id NOT IN(select id from others)"));
        assert!(!asks("selected IS NULL AND re_select < 3"));
    }

    #[test]
    fn a_table_is_called_by_its_last_name() {
        assert_eq!(unqualified("public.users"), "users");
        assert_eq!(unqualified("\"a.b\".\"c.d\""), "\"c.d\"");
        assert_eq!(unqualified("\"a\"\".\".users"), "users");
    }
}
