//! The SQL that reads and writes rows.
//!
//! A source's own expressions run under the `search_path` of migrations; what is ours beside them is qualified where a name could be somebody
//! else's. The columns of a key are compared by the operators of their type, wherever those are.

use crate::job::Job;
use crate::shape::{KeyPart, Shape, quoted};
use crate::write::WriteKind;
use crate::{ChangeColumn, Source};

/// What the relation of the changes calls the place of a row, and its version.
const TID: &str = "dunlin_tid";
const XMIN: &str = "dunlin_xmin";

/// The texts for one backfill on one table.
#[derive(Clone, Debug)]
pub(crate) struct Statements {
    table: String,
    key: Vec<KeyPart>,
    /// What a page selects: the key, the place, the version, then what the row reads.
    columns: String,
    remaining: String,
    condition: String,
    filter: String,
    /// Writes changes: parameters are the arrays that [`Parameters`] names.
    pub(crate) write: String,
    pub(crate) parameters: Parameters,
    /// How many parameters it has.
    pub(crate) arrays: usize,
    /// Whether the rows that are read stay locked until their changes are written.
    pub(crate) locks: bool,
}

/// What the arrays are that the statement which writes takes, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parameters {
    pub(crate) keys: bool,
    pub(crate) tids: bool,
    pub(crate) versions: bool,
}

impl Parameters {
    fn count(self, key_parts: usize, columns: usize) -> usize {
        let keys = if self.keys { key_parts } else { 0 };
        [usize::from(self.tids), usize::from(self.versions), columns]
            .into_iter()
            .fold(keys, usize::saturating_add)
    }
}

impl Statements {
    pub(crate) fn new(job: &dyn Job, source: &Source, shape: &Shape, types: &[String]) -> Self {
        let reads = job.row_columns().iter().map(|column| match column.sql {
            Some(sql) => enclosed(sql),
            None => format!("{}.{}", shape.table, quoted(column.name)),
        });
        let own = shape.key.iter().map(|part| format!("{}.{}", shape.table, part.name));
        let own = own.chain([format!("{}.ctid", shape.table), format!("{}.xmin", shape.table)]);
        let columns = own.chain(reads).collect::<Vec<_>>().join(", ");
        let kind = job.write().0;
        let (write, parameters) = write(&kind, job.change_columns(), shape, types);
        Self {
            table: shape.table.clone(),
            key: shape.key.clone(),
            columns,
            remaining: source.remaining.clone(),
            condition: enclosed(&source.remaining),
            filter: source
                .filter
                .as_deref()
                .map(|filter| format!(" AND {}", enclosed(filter)))
                .unwrap_or_default(),
            arrays: parameters.count(shape.key.len(), types.len()),
            write,
            parameters,
            locks: kind != WriteKind::Update,
        }
    }

    /// How many columns a page has before those of the row.
    pub(crate) fn own_columns(&self) -> usize {
        self.key.len().saturating_add(2)
    }

    /// The rows that remain within these bounds, in the order of the key. Parameters: the key that they come after, the last one, how many.
    pub(crate) fn page(&self, bounds: Bounds) -> String {
        let (within, next) = self.within(bounds);
        let lock = if self.locks { format!(" FOR NO KEY UPDATE OF {}", self.alias()) } else { String::new() };
        format!(
            "SELECT {} FROM {} WHERE {within}{}{} ORDER BY {} LIMIT ${next}{lock}",
            self.columns,
            self.table,
            self.condition,
            self.filter,
            self.key_list(),
        )
    }

    /// The same without the rows that this backfill has set aside.
    pub(crate) fn without_quarantined(self, quarantine: &str, job: &str) -> Self {
        let key = self.key.iter().map(|part| format!("{}.{}::pg_catalog.text", self.table, part.name));
        let filter = format!(
            "{} AND NOT EXISTS (SELECT FROM {quarantine} AS dunlin_q WHERE dunlin_q.job OPERATOR(pg_catalog.=) {} \
             AND dunlin_q.key OPERATOR(pg_catalog.=) ARRAY[{}])",
            self.filter,
            literal(job),
            key.collect::<Vec<_>>().join(", ")
        );
        Self { filter, ..self }
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

    /// Looks the rows with these keys up, by the index: one of a page is enough to have the page pruned. A row that is found by its place
    /// (a TID scan) is none that prunes.
    pub(crate) fn prune(&self) -> String {
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

    /// The key of the row that comes after so many. Parameters: the key that they come after, the last one, how many.
    pub(crate) fn boundary(&self, bounds: Bounds) -> String {
        let (within, next) = self.within(bounds);
        format!(
            "SELECT {keys} FROM {} WHERE {within}true ORDER BY {keys} OFFSET ${next} LIMIT 1",
            self.table,
            keys = self.key_list(),
        )
    }

    /// The last key of the table.
    pub(crate) fn last(&self) -> String {
        let keys = self.key_list();
        let descending: Vec<_> =
            self.key.iter().map(|part| format!("{}.{} DESC", self.table, part.name)).collect();
        format!("SELECT {keys} FROM {} ORDER BY {} LIMIT 1", self.table, descending.join(", "))
    }

    /// A key that was written down as texts, in this column, as values: NULL where it is NULL.
    pub(crate) fn read_key(&self, column: &str) -> String {
        let part = |(index, part): (usize, &KeyPart)| {
            format!("({column})[{}]::{}", index.saturating_add(1), part.ty)
        };
        self.key.iter().enumerate().map(part).collect::<Vec<_>>().join(", ")
    }

    /// The same the other way: parameters from this number on, as an array of texts.
    pub(crate) fn write_key(&self, first: usize) -> String {
        let part = |(index, part): (usize, &KeyPart)| {
            format!("(${}::{})::pg_catalog.text", first.saturating_add(index), part.ty)
        };
        format!("ARRAY[{}]", self.key.iter().enumerate().map(part).collect::<Vec<_>>().join(", "))
    }

    pub(crate) fn key_parts(&self) -> usize {
        self.key.len()
    }

    /// What holds for a row until it is done, as the program has said it.
    pub(crate) fn remaining(&self) -> &str {
        &self.remaining
    }

    /// The conditions, each followed by AND, and the number of the next parameter.
    fn within(&self, bounds: Bounds) -> (String, usize) {
        let mut next = 1_usize;
        let mut sql = String::new();
        for (is_there, operator) in [(bounds.lower, ">"), (bounds.upper, "<=")] {
            if is_there {
                let numbers: Vec<_> =
                    (0..self.key.len()).map(|part| format!("${}", next.saturating_add(part))).collect();
                next = next.saturating_add(numbers.len());
                sql.push_str(&format!("({}) {operator} ({}) AND ", self.key_list(), numbers.join(", ")));
            }
        }
        (sql, next)
    }

    fn among(&self, first: usize) -> String {
        let arrays: Vec<_> = self
            .key
            .iter()
            .enumerate()
            .map(|(index, part)| unnested(first.saturating_add(index), &part.ty))
            .collect();
        format!("({}) IN (SELECT * FROM ROWS FROM ({}) AS keys)", self.key_list(), arrays.join(", "))
    }

    fn key_list(&self) -> String {
        self.key.iter().map(|part| format!("{}.{}", self.table, part.name)).collect::<Vec<_>>().join(", ")
    }

    /// What FOR UPDATE calls the table: without its schema.
    fn alias(&self) -> &str {
        unqualified(&self.table)
    }
}

/// Which bounds a page has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Bounds {
    pub(crate) lower: bool,
    pub(crate) upper: bool,
}

fn write(
    kind: &WriteKind,
    columns: &[ChangeColumn],
    shape: &Shape,
    types: &[String],
) -> (String, Parameters) {
    let table = &shape.table;
    let mut relation = Relation::default();
    let by_tid = shape.is_one_heap;
    let keys = |relation: &mut Relation| {
        shape.key.iter().for_each(|part| relation.push(&part.name, &part.ty));
    };
    // Which row of the table a change is of.
    let place = |relation: &mut Relation| {
        if by_tid {
            relation.push(TID, "pg_catalog.tid");
            return format!("{table}.ctid OPERATOR(pg_catalog.=) changes.{TID}");
        }
        keys(relation);
        let same = shape.key.iter().map(|part| format!("{table}.{name} = changes.{name}", name = part.name));
        same.collect::<Vec<_>>().join(" AND ")
    };
    let names: Vec<String> = columns.iter().map(|column| quoted(column.name)).collect();
    let pairs = || names.iter().zip(types);
    match kind {
        WriteKind::Update => {
            let place = place(&mut relation);
            relation.push(XMIN, "pg_catalog.xid");
            // A column of the key may be among those that are written.
            let set: Vec<_> = pairs()
                .enumerate()
                .map(|(index, (name, ty))| {
                    relation.push(&format!("c{index}"), ty);
                    format!("{name} = changes.c{index}")
                })
                .collect();
            let sql = format!(
                "UPDATE {table} SET {} FROM {} WHERE {place} AND {table}.xmin OPERATOR(pg_catalog.=) changes.{XMIN}",
                set.join(", "),
                relation.sql()
            );
            (sql, Parameters { keys: !by_tid, tids: by_tid, versions: true })
        }
        WriteKind::Delete => {
            let place = place(&mut relation);
            let sql = format!("DELETE FROM {table} USING {} WHERE {place}", relation.sql());
            (sql, Parameters { keys: !by_tid, tids: by_tid, versions: false })
        }
        WriteKind::Insert { table: target } => {
            pairs().for_each(|(name, ty)| relation.push(name, ty));
            let sql = format!(
                "INSERT INTO {target} ({}) SELECT * FROM {} ON CONFLICT DO NOTHING",
                names.join(", "),
                relation.sql()
            );
            (sql, Parameters { keys: false, tids: false, versions: false })
        }
        WriteKind::Sql(statement) => {
            keys(&mut relation);
            pairs().for_each(|(name, ty)| relation.push(name, ty));
            let changes = format!("WITH changes AS (SELECT * FROM {})", relation.sql());
            (joined(&changes, statement), Parameters { keys: true, tids: false, versions: false })
        }
    }
}

/// A relation of arrays that come as parameters.
#[derive(Default)]
struct Relation {
    arrays: Vec<String>,
    names: Vec<String>,
}

impl Relation {
    fn push(&mut self, name: &str, ty: &str) {
        self.names.push(name.to_owned());
        self.arrays.push(unnested(self.names.len(), ty));
    }

    fn sql(&self) -> String {
        format!("ROWS FROM ({}) AS changes ({})", self.arrays.join(", "), self.names.join(", "))
    }
}

/// The members of an array that is a parameter: `unnest` of several arrays takes no qualified name.
fn unnested(parameter: usize, ty: &str) -> String {
    format!("pg_catalog.unnest(${parameter}::{ty}[])")
}

/// Puts `changes` before the statement, which may have a WITH of its own.
fn joined(changes: &str, statement: &str) -> String {
    let statement = statement.trim().trim_end_matches(';');
    let after = |word: &str| {
        let (head, rest) = statement.split_at_checked(word.len())?;
        (head.eq_ignore_ascii_case(word) && rest.starts_with(char::is_whitespace)).then_some(rest)
    };
    match after("with") {
        None => format!("{changes} {statement}"),
        Some(rest) => {
            let rest = rest.trim_start();
            match rest.split_at_checked("recursive".len()) {
                Some((word, rest))
                    if word.eq_ignore_ascii_case("recursive") && rest.starts_with(char::is_whitespace) =>
                {
                    format!("{}, {rest}", changes.replacen("WITH", "WITH RECURSIVE", 1))
                }
                _ => format!("{changes}, {rest}"),
            }
        }
    }
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
    fn a_statement_keeps_its_own_with() {
        let changes = "WITH changes AS (SELECT 1)";
        assert_eq!(joined(changes, "DELETE FROM a;"), "WITH changes AS (SELECT 1) DELETE FROM a");
        assert_eq!(
            joined(changes, " with\n b AS (SELECT 2) SELECT 3 "),
            "WITH changes AS (SELECT 1), b AS (SELECT 2) SELECT 3"
        );
        assert_eq!(
            joined(changes, "WITH RECURSIVE b AS (SELECT 2) SELECT 3"),
            "WITH RECURSIVE changes AS (SELECT 1),  b AS (SELECT 2) SELECT 3"
        );
        assert_eq!(joined(changes, "without"), "WITH changes AS (SELECT 1) without");
    }

    #[test]
    fn a_table_is_called_by_its_last_name() {
        assert_eq!(unqualified("public.users"), "users");
        assert_eq!(unqualified("\"a.b\".\"c.d\""), "\"c.d\"");
        assert_eq!(unqualified("\"a\"\".\".users"), "users");
    }
}
