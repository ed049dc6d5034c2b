//! The SQL that writes the changes of a batch.

use crate::ChangeColumn;
use crate::shape::{Shape, quoted};
use crate::statements::Parameters;
use crate::write::WriteKind;

/// What the relation of the changes calls the version of a row.
const XMIN: &str = "dunlin_xmin";

/// Copies rows into the table that is filled, if it is that.
pub(crate) fn copy(kind: &WriteKind, columns: &[ChangeColumn]) -> Option<String> {
    let WriteKind::Copy { table } = kind else { return None };
    let names: Vec<_> = columns.iter().map(|column| quoted(column.name)).collect();
    Some(format!("COPY {table} ({}) FROM STDIN BINARY", names.join(", ")))
}

/// The statement that writes, whose parameters are arrays, and which.
pub(crate) fn write(
    kind: &WriteKind,
    columns: &[ChangeColumn],
    shape: &Shape,
    types: &[String],
) -> (String, Parameters) {
    let table = &shape.table;
    let mut relation = Relation::default();
    let keys = |relation: &mut Relation| {
        shape.key.iter().for_each(|part| relation.push(&part.name, &part.ty));
    };
    // Which row of the table a change is of.
    let place = |relation: &mut Relation| {
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
            (sql, Parameters { keys: true, versions: true })
        }
        WriteKind::Delete => {
            let place = place(&mut relation);
            let sql = format!("DELETE FROM {table} USING {} WHERE {place}", relation.sql());
            (sql, Parameters { keys: true, versions: false })
        }
        WriteKind::Insert { table: target } | WriteKind::Copy { table: target } => {
            pairs().for_each(|(name, ty)| relation.push(name, ty));
            let sql = format!(
                "INSERT INTO {target} ({}) SELECT * FROM {} ON CONFLICT DO NOTHING",
                names.join(", "),
                relation.sql()
            );
            (sql, Parameters { keys: false, versions: false })
        }
        WriteKind::Sql(statement) => {
            keys(&mut relation);
            pairs().for_each(|(name, ty)| relation.push(name, ty));
            let changes = format!("WITH changes AS (SELECT * FROM {})", relation.sql());
            (joined(&changes, statement), Parameters { keys: true, versions: false })
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
        // Functions in a list of columns go through the rows together, and nothing is kept of them.
        format!("(SELECT {}) AS changes ({})", self.arrays.join(", "), self.names.join(", "))
    }
}

/// The members of an array that is a parameter: `unnest` of several arrays takes no qualified name.
pub(crate) fn unnested(parameter: usize, ty: &str) -> String {
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
}
