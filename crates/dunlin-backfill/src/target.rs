//! Whether the types of a backfill are those of the database.

use tokio_postgres::types::{Kind, Type};
use tokio_postgres::{Client, Statement};

use crate::desk::Desk;
use crate::error::{Fault, text_of};
use crate::job::Job;
use crate::shape::Shape;
use crate::source::{Remaining, Source};
use crate::statements::Statements;
use crate::track::Bounds;
use crate::trouble::Trouble;
use crate::write::WriteKind;

/// The SQL types of the columns that are written.
pub(crate) async fn types(client: &Client, job: &dyn Job, shape: &Shape) -> Result<Vec<String>, Trouble> {
    let kind = job.write().0;
    let target = match &kind {
        WriteKind::Insert { table } | WriteKind::Copy { table } => {
            Some((table.clone(), columns_of(client, table).await?))
        }
        WriteKind::Update | WriteKind::Delete | WriteKind::Sql(_) => None,
    };
    let ty = |column: &crate::ChangeColumn| {
        let (table, known) = match &target {
            Some((table, columns)) => {
                let found = columns.iter().find(|(name, _)| name == column.name);
                (table, found.map(|(_, ty)| ty.as_str()))
            }
            None => (&shape.table, shape.type_of(column.name)),
        };
        let is_sql = matches!(kind, WriteKind::Sql(_));
        let given = if is_sql { column.cast } else { None };
        let missing = || match is_sql {
            true => Fault::NoCast { table: table.clone(), field: column.name },
            false => Fault::NoColumn { table: table.clone(), column: column.name.to_owned() },
        };
        Ok(given.or(known).ok_or_else(missing)?.to_owned())
    };
    job.change_columns().iter().map(ty).collect()
}

async fn columns_of(client: &Client, table: &str) -> Result<Vec<(String, String)>, Trouble> {
    let sql = "SELECT attname::text, format_type(atttypid, NULL) FROM pg_catalog.pg_attribute \
               WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped";
    let rows = client.query(sql, &[&table]).await?;
    if rows.is_empty() {
        return Err(Fault::NoTable { table: table.to_owned() }.into());
    }
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// What is known of a table that is filled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filled {
    /// Whether no key can be there twice, whoever writes it, as an index says so.
    pub(crate) is_unique: bool,
    pub(crate) is_empty: bool,
}

/// Looks at the table that is filled, if what remains are the rows that are missing in it.
pub(crate) async fn filled(client: &Client, job: &dyn Job) -> Result<Filled, Trouble> {
    let (WriteKind::Copy { table }, Source { remaining: Remaining::MissingIn { table: other, columns }, .. }) =
        (job.write().0, job.source())
    else {
        return Ok(Filled::default());
    };
    let sql = format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_index AS i WHERE i.indrelid = to_regclass($1) AND i.indrelid = to_regclass($2) \
          AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL \
          AND ARRAY(SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place) \
           JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.number \
           WHERE k.place <= i.indnkeyatts) <@ $3::text[]), NOT EXISTS (SELECT FROM {table})"
    );
    let found = client.query_one(&sql, &[&table, &other, &columns]).await?;
    Ok(Filled { is_unique: found.try_get(0)?, is_empty: found.try_get(1)? })
}

/// Prepares what reads and what writes, and compares the types with those of the fields.
pub(crate) async fn check(
    desk: &mut Desk<'_>,
    job: &dyn Job,
    shape: &Shape,
    statements: &Statements,
) -> Result<(), Trouble> {
    if let Remaining::MissingIn { table, columns } = job.source().remaining
        && columns.len() != shape.key.len()
    {
        let (named, key) = (columns.len(), shape.key.len());
        return Err(Fault::MissingIn { table, named, source_table: shape.table.clone(), key }.into());
    }
    let first = statements.own_columns();
    let page = statements.page(Bounds { lower: false, upper: false });
    let page = prepared(desk, "`source` or `Row`", page).await?;
    for (index, column) in job.row_columns().iter().enumerate() {
        let Some(read) = page.columns().get(first.saturating_add(index)) else { continue };
        if !job.row_accepts(index, read.type_()) {
            let column_name = match column.sql {
                Some(_) => "its expression".to_owned(),
                None => format!("{}.{}", shape.table, column.name),
            };
            return Err(mismatch("Row", (column.name, column.rust), column_name, read.type_(), "reads it"));
        }
    }
    let write = prepared(desk, "`write`", statements.write.clone()).await?;
    let columns = job.change_columns();
    let own = write.params().len().saturating_sub(columns.len());
    for (index, column) in columns.iter().enumerate() {
        let Some(Kind::Array(ty)) = write.params().get(own.saturating_add(index)).map(Type::kind) else {
            continue;
        };
        if !job.change_accepts(index, ty) {
            return Err(mismatch(
                "Change",
                (column.name, column.rust),
                format!("column {}", column.name),
                ty,
                "is written to it",
            ));
        }
    }
    Ok(())
}

async fn prepared(desk: &mut Desk<'_>, part: &'static str, sql: String) -> Result<Statement, Trouble> {
    match desk.prepare(sql).await {
        Err(Trouble::Server(error)) if error.code().is_some_and(|code| code.code().starts_with("42")) => {
            Err(Fault::Sql { part, text: text_of(&error) }.into())
        }
        prepared => prepared,
    }
}

fn mismatch(
    part: &'static str,
    (field, rust): (&'static str, &'static str),
    column: String,
    ty: &Type,
    verb: &'static str,
) -> Trouble {
    Fault::Mismatch { part, field, rust, column, sql: ty.to_string(), verb }.into()
}
