//! What a table is like that a backfill pages through.

use std::collections::{BTreeMap, BTreeSet};

use tokio_postgres::Client;

use crate::Source;
use crate::error::Fault;
use crate::trouble::Trouble;

/// A table as the catalogs have it.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) oid: u32,
    /// As SQL names it, with its schema.
    pub(crate) table: String,
    pub(crate) key: Vec<KeyPart>,
    /// Whether all its rows are in one file: not where it has partitions or children.
    pub(crate) is_one_heap: bool,
    /// Whether rows that follow each other by the key lie on the same page, as far as the server's statistics know.
    pub(crate) is_in_order: bool,
    /// How many rows the planner believes that it has, or those that it has at least by its size, if it was never analyzed.
    pub(crate) estimate: i64,
    pub(crate) rows_on_a_page: usize,
    /// All columns, with their types.
    columns: BTreeMap<String, String>,
    /// The columns that an index has something to do with.
    indexed: BTreeSet<String>,
}

/// A column of the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyPart {
    /// Quoted.
    pub(crate) name: String,
    pub(crate) ty: String,
}

impl Shape {
    /// Reads the catalogs, and refuses what can't be paged through.
    pub(crate) async fn read(client: &Client, source: &Source) -> Result<Self, Trouble> {
        let sql = "SELECT c.oid, c.relkind::text, format('%I.%I', n.nspname, c.relname), \
                   greatest(c.reltuples, pg_catalog.pg_relation_size(c.oid) / 1000)::int8, c.relhassubclass, \
                   CASE WHEN c.relpages > 0 AND c.reltuples > 0 THEN c.reltuples / c.relpages ELSE 8 END::int8 \
                   FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
                   WHERE c.oid = to_regclass($1)";
        let table = source.table.clone();
        let Some(found) = client.query_opt(sql, &[&source.table]).await? else {
            return Err(Fault::NoTable { table }.into());
        };
        let kind: String = found.try_get(1)?;
        let what = match kind.as_str() {
            "r" | "p" => None,
            "v" => Some("a view"),
            "m" => Some("a materialized view"),
            "f" => Some("a foreign table"),
            _ => Some("no table"),
        };
        if let Some(what) = what {
            return Err(Fault::NotATable { table, what }.into());
        }
        let oid = found.try_get(0)?;
        let columns = columns(client, oid).await?;
        let key = key(client, oid, source, &columns).await?;
        let has_children: bool = found.try_get(4)?;
        let is_in_order = is_in_order(client, oid, key.first()).await?;
        Ok(Self {
            oid,
            table: found.try_get(2)?,
            key,
            is_one_heap: kind == "r" && !has_children,
            is_in_order,
            estimate: found.try_get(3)?,
            rows_on_a_page: usize::try_from(found.try_get::<_, i64>(5)?).unwrap_or_default(),
            columns: columns.into_iter().map(|(name, column)| (name, column.ty)).collect(),
            indexed: indexed(client, oid).await?,
        })
    }

    /// The type of a column, as SQL names it.
    pub(crate) fn type_of(&self, column: &str) -> Option<&str> {
        self.columns.get(column).map(String::as_str)
    }

    /// Whether an index has to be told when one of these columns is written.
    pub(crate) fn is_indexed<'a>(&self, mut columns: impl Iterator<Item = &'a str>) -> bool {
        columns.any(|column| self.indexed.contains(column))
    }
}

struct Column {
    ty: String,
    is_null: bool,
}

async fn columns(client: &Client, oid: u32) -> Result<BTreeMap<String, Column>, Trouble> {
    let sql = "SELECT attname::text, format_type(atttypid, NULL), NOT attnotnull FROM pg_catalog.pg_attribute \
               WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped";
    let rows = client.query(sql, &[&oid]).await?;
    rows.iter()
        .map(|row| Ok((row.try_get(0)?, Column { ty: row.try_get(1)?, is_null: row.try_get(2)? })))
        .collect()
}

/// Looks how the order of the key's first column goes with that of the table.
async fn is_in_order(client: &Client, oid: u32, key: Option<&KeyPart>) -> Result<bool, Trouble> {
    let sql = "SELECT pg_catalog.abs(s.correlation) < 0.5 FROM pg_catalog.pg_stats AS s \
               JOIN pg_catalog.pg_namespace AS n ON n.nspname = s.schemaname \
               JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relname = s.tablename \
               WHERE c.oid = $1 AND ARRAY[s.attname::text] = pg_catalog.parse_ident($2) AND NOT s.inherited";
    let Some(key) = key else { return Ok(true) };
    let found = client.query_opt(sql, &[&oid, &key.name]).await?;
    let is_scattered: Option<bool> = found.map(|row| row.try_get(0)).transpose()?.flatten();
    Ok(!is_scattered.unwrap_or_default())
}

/// The columns of the key: the primary key's, or those that the source names, which a unique index must have.
async fn key(
    client: &Client,
    oid: u32,
    source: &Source,
    columns: &BTreeMap<String, Column>,
) -> Result<Vec<KeyPart>, Trouble> {
    let sql = "SELECT i.indisprimary, ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place) \
                JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.number \
                WHERE k.place <= i.indnkeyatts ORDER BY k.place) \
               FROM pg_catalog.pg_index AS i WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND i.indimmediate \
               AND i.indpred IS NULL AND i.indexprs IS NULL";
    let mut unique: Vec<(bool, Vec<String>)> = Vec::new();
    for row in client.query(sql, &[&oid]).await? {
        unique.push((row.try_get(0)?, row.try_get(1)?));
    }
    let table = source.table.clone();
    let names = if source.key.is_empty() {
        let primary = unique.into_iter().find(|(is_primary, _)| *is_primary);
        primary.ok_or(Fault::NoKey { table: table.clone() })?.1
    } else if unique.iter().any(|(_, names)| *names == source.key) {
        source.key.clone()
    } else {
        return Err(Fault::KeyNotUnique { table, columns: source.key.join(", ") }.into());
    };
    let part = |name: String| match columns.get(&name) {
        Some(Column { ty, is_null: false }) => Ok(KeyPart { name: quoted(&name), ty: ty.clone() }),
        _ => Err(Fault::KeyNull { table: table.clone(), column: name }.into()),
    };
    names.into_iter().map(part).collect()
}

/// The columns that indexes are of, are about in an expression, or look at in a condition.
async fn indexed(client: &Client, oid: u32) -> Result<BTreeSet<String>, Trouble> {
    let sql = "SELECT DISTINCT a.attname::text FROM pg_catalog.pg_index AS i \
               JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid \
               WHERE i.indrelid = $1 AND (a.attnum = ANY (i.indkey::int2[]) OR EXISTS (SELECT FROM pg_catalog.pg_depend AS d \
                WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = i.indexrelid \
                AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = i.indrelid AND d.refobjsubid = a.attnum))";
    let rows = client.query(sql, &[&oid]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// A name as SQL takes it, whatever is in it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
