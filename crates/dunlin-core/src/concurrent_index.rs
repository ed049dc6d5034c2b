//! The SQL about indexes that are built or dropped concurrently.

use dunlin_script::{ConcurrentIndex, IndexCommand, QualifiedName};

use crate::ident::literal;

/// Looks an index up under the migration's own path; nothing where the statement does not name one.
///
/// An index that is built stands in its table's schema; one that is dropped is named itself.
pub(crate) fn look_up(index: &ConcurrentIndex) -> Option<String> {
    let name = index.index()?;
    let condition = match index.command() {
        IndexCommand::Create { .. } => format!(
            "c.relname OPERATOR(pg_catalog.=) {} AND i.indrelid OPERATOR(pg_catalog.=) pg_catalog.to_regclass({})",
            literal(name.name()),
            literal(&quoted(index.table()?)),
        ),
        IndexCommand::Drop { .. } => {
            format!("c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass({})", literal(&quoted(name)))
        }
        _ => return None,
    };
    Some(format!(
        "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS name, i.indisvalid AND i.indisready AS valid, \
         i.indisunique AS is_unique \
         FROM pg_catalog.pg_index AS i \
         JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid \
         JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
         WHERE {condition}"
    ))
}

/// Drops an index by its qualified and quoted name.
pub(crate) fn drop(name: &str) -> String {
    format!("DROP INDEX CONCURRENTLY IF EXISTS {name}")
}

fn quoted(name: &QualifiedName) -> String {
    let quote = |part: &str| format!("\"{}\"", part.replace('"', "\"\""));
    match name.schema() {
        Some(schema) => format!("{}.{}", quote(schema), quote(name.name())),
        None => quote(name.name()),
    }
}
