//! The SQL about what concurrent statements build, drop and leave behind.
//!
//! It runs under the migration's own path, where names mean what they mean to the migration. All else is qualified.

use dunlin_script::{CreateIndex, QualifiedName, ReindexTarget};
use tokio_postgres::SimpleQueryRow;

use crate::ident::literal;
use crate::wire::{flag, text};

/// What the timeouts are.
pub(crate) const TIMEOUTS: &str = "SELECT pg_catalog.current_setting('lock_timeout') AS lock_timeout, \
     pg_catalog.current_setting('statement_timeout') AS statement_timeout";

/// Sets the timeouts to what [`TIMEOUTS`] has said.
pub(crate) fn set_back(timeouts: &[SimpleQueryRow]) -> String {
    let value = |name| literal(timeouts.first().and_then(|row| text(row, name)).unwrap_or("0"));
    format!(
        "SET lock_timeout = {}; SET statement_timeout = {}",
        value("lock_timeout"),
        value("statement_timeout")
    )
}

/// An index that is there. Its names are qualified and quoted.
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) table: String,
    pub(crate) valid: bool,
    pub(crate) unique: bool,
    /// Whether its schema is the first on the path: its name alone can't have meant another.
    pub(crate) first: bool,
    pub(crate) definition: String,
    /// Whether a transaction is changing its state at this moment.
    pub(crate) changing: bool,
}

impl Found {
    pub(crate) fn of(row: &SimpleQueryRow) -> Option<Self> {
        let text = |column| text(row, column).map(str::to_owned);
        Some(Self {
            name: text("name")?,
            table: text("on_table")?,
            valid: flag(row, "valid"),
            unique: flag(row, "is_unique"),
            first: flag(row, "is_first"),
            definition: text("definition")?,
            changing: flag(row, "changing"),
        })
    }
}

/// Looks up what a `CREATE INDEX` builds: it stands in its table's schema. Nothing when the statement does not name it. An
/// index of a partitioned table is none of those that are built concurrently, and invalid as long as its parts are.
pub(crate) fn index_of(create: &CreateIndex) -> Option<String> {
    Some(index_where(&format!(
        "c.relname OPERATOR(pg_catalog.=) {} AND i.indrelid OPERATOR(pg_catalog.=) {} \
         AND c.relkind OPERATOR(pg_catalog.=) 'i'",
        literal(create.index()?.name()),
        oid_of(create.table()),
    )))
}

/// Looks an index up by its name.
pub(crate) fn index_named(name: &QualifiedName) -> String {
    index_where(&format!("c.oid OPERATOR(pg_catalog.=) {}", oid_of(name)))
}

/// Looks an index up by its qualified and quoted name.
pub(crate) fn index_called(name: &str) -> String {
    index_where(&format!("c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass({})", literal(name)))
}

fn index_where(condition: &str) -> String {
    format!(
        "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS name, \
         pg_catalog.format('%I.%I', tn.nspname, t.relname) AS on_table, \
         i.indisvalid AND i.indisready AS valid, i.indisunique AS is_unique, \
         n.nspname OPERATOR(pg_catalog.=) (pg_catalog.current_schemas(false))[1] AS is_first, \
         pg_catalog.pg_get_indexdef(c.oid) AS definition, \
         EXISTS (SELECT FROM pg_catalog.pg_locks AS l WHERE l.transactionid OPERATOR(pg_catalog.=) i.xmax) AS changing \
         FROM pg_catalog.pg_index AS i \
         JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid \
         JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
         JOIN pg_catalog.pg_class AS t ON t.oid OPERATOR(pg_catalog.=) i.indrelid \
         JOIN pg_catalog.pg_namespace AS tn ON tn.oid OPERATOR(pg_catalog.=) t.relnamespace \
         WHERE {condition}"
    )
}

/// Looks an index up that is invalid, once nobody else builds, drops or rebuilds an index of its table.
///
/// A build under way looks like one that was interrupted. `LOCK` waits for its end without a snapshot, which the build
/// would wait for; `DROP INDEX CONCURRENTLY` has one, and would go on to drop what has become valid meanwhile. The build
/// gives its lock back a moment before it commits that the index is valid.
pub(crate) fn undisturbed(found: &Found, look_up: &str) -> String {
    format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED; LOCK TABLE ONLY {} IN SHARE UPDATE EXCLUSIVE MODE; {look_up}; COMMIT",
        found.table
    )
}

/// Drops an index by its qualified and quoted name.
pub(crate) fn drop_index(name: &str) -> String {
    format!("DROP INDEX CONCURRENTLY IF EXISTS {name}")
}

/// Creates an empty temporary table with the columns and the name of an index's table, by which an index may call it.
pub(crate) fn create_twin(create: &CreateIndex) -> String {
    let (twin, table) = (twin(create.table()), create.table());
    format!("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; CREATE TABLE {twin} (LIKE {table})")
}

/// The name of the temporary counterpart.
pub(crate) fn twin(name: &QualifiedName) -> String {
    format!("pg_temp.\"{}\"", name.name().replace('"', "\"\""))
}

/// Says whether an index is defined as one of the same name on the temporary table is, as the server writes both down.
/// Their schemas differ; the temporary one is written as `pg_temp` since PostgreSQL 15. Tablespaces are not part of it.
pub(crate) fn same_definition(found: &Found, index: &QualifiedName) -> String {
    let without = |definition: &str, schema: &str| {
        format!(
            "pg_catalog.replace({definition}, pg_catalog.format(' ON %I.%I USING ', {schema}, t.relname), ' ')"
        )
    };
    format!(
        "SELECT pg_catalog.count(DISTINCT {}) OPERATOR(pg_catalog.=) 1 AS same \
         FROM pg_catalog.pg_index AS i \
         JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid \
         JOIN pg_catalog.pg_class AS t ON t.oid OPERATOR(pg_catalog.=) i.indrelid \
         JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) t.relnamespace \
         WHERE c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass({}) \
         OR c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass({})",
        without(&without("pg_catalog.pg_get_indexdef(c.oid)", "n.nspname"), "'pg_temp'"),
        literal(&found.name),
        literal(&twin(index)),
    )
}

/// Looks up the invalid indexes that a `REINDEX CONCURRENTLY` of this, interrupted, has left: those that it was building
/// (`_ccnew`) or had replaced (`_ccold`), on TOAST tables too.
///
/// One that is under way holds a lock on its own until the end. Nobody goes on with any other: it is invalid for good,
/// unless it is a new index that is called so.
pub(crate) fn leftovers(target: &ReindexTarget) -> String {
    format!(
        "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) AS name \
         FROM pg_catalog.pg_index AS i \
         JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid \
         JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
         LEFT JOIN pg_catalog.pg_class AS o ON o.reltoastrelid OPERATOR(pg_catalog.=) i.indrelid \
         JOIN pg_catalog.pg_class AS t ON t.oid OPERATOR(pg_catalog.=) COALESCE(o.oid, i.indrelid) \
         WHERE NOT i.indisvalid AND c.relkind OPERATOR(pg_catalog.=) 'i' \
         AND c.relname OPERATOR(pg_catalog.~) '_cc(new|old)[0-9]*$' \
         AND NOT EXISTS (SELECT FROM pg_catalog.pg_locks AS l JOIN pg_catalog.pg_database AS d \
         ON d.oid OPERATOR(pg_catalog.=) l.database WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database() \
         AND l.relation OPERATOR(pg_catalog.=) c.oid AND l.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid() \
         AND l.granted AND l.mode OPERATOR(pg_catalog.=) ANY ('{{ShareUpdateExclusiveLock,AccessExclusiveLock}}')) \
         AND {} ORDER BY c.oid",
        covered_by(target)
    )
}

/// Whether the index `i` of the table `t` is one of a `REINDEX`; the named index itself is not what it leaves behind.
fn covered_by(target: &ReindexTarget) -> String {
    let tree = |oid| format!("SELECT p.relid FROM pg_catalog.pg_partition_tree({oid}) AS p");
    match target {
        ReindexTarget::Index(name) => {
            let oid = oid_of(name);
            let tree = tree(&oid);
            format!(
                "c.oid OPERATOR(pg_catalog.<>) {oid} AND t.oid OPERATOR(pg_catalog.=) ANY \
                 (SELECT x.indrelid FROM pg_catalog.pg_index AS x WHERE x.indexrelid OPERATOR(pg_catalog.=) {oid} \
                 OR x.indexrelid OPERATOR(pg_catalog.=) ANY ({tree}))"
            )
        }
        ReindexTarget::Table(name) => {
            let oid = oid_of(name);
            let tree = tree(&oid);
            format!("(t.oid OPERATOR(pg_catalog.=) {oid} OR t.oid OPERATOR(pg_catalog.=) ANY ({tree}))")
        }
        ReindexTarget::Schema(name) => format!(
            "t.relnamespace OPERATOR(pg_catalog.=) (SELECT s.oid FROM pg_catalog.pg_namespace AS s \
             WHERE s.nspname OPERATOR(pg_catalog.=) {})",
            literal(name)
        ),
        _ => "true".to_owned(),
    }
}

/// Says whether a partition is there, whether the parent has it still, and whether a `DETACH PARTITION CONCURRENTLY` has
/// been interrupted half way.
pub(crate) fn partition(parent: &QualifiedName, partition: &QualifiedName) -> String {
    format!(
        "SELECT x.partition IS NOT NULL AS there, h.inhrelid IS NOT NULL AS attached, h.inhdetachpending AS pending \
         FROM (SELECT {} AS parent, {} AS partition) AS x \
         LEFT JOIN pg_catalog.pg_inherits AS h ON h.inhparent OPERATOR(pg_catalog.=) x.parent \
         AND h.inhrelid OPERATOR(pg_catalog.=) x.partition",
        oid_of(parent),
        oid_of(partition)
    )
}

/// Finishes an interrupted `DETACH PARTITION CONCURRENTLY`.
pub(crate) fn finalize(parent: &QualifiedName, partition: &QualifiedName) -> String {
    format!("ALTER TABLE {parent} DETACH PARTITION {partition} FINALIZE")
}

fn oid_of(name: &QualifiedName) -> String {
    format!("pg_catalog.to_regclass({})", literal(&name.to_string()))
}
