use std::time::{Duration, Instant};

use bytes::Bytes;
use dunlin_core::{BoxError, Migrator};
use tokio_postgres::Row as SqlRow;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};

use crate::desk::Desk;
use crate::error::Fault;
use crate::job::{Changes, Converted, Job, Outcome};
use crate::key::Key;
use crate::raw::{self, ChangeArray, Raw, RawArray, RawColumn, Received};
use crate::statements::{Parameters, Statements};
use crate::track::Bounds;
use crate::trouble::Trouble;

/// Some rows that were read together, and what becomes of them.
pub(crate) struct Batch {
    /// A column for each part of the key.
    keys: Vec<RawColumn>,
    versions: RawColumn,
    pub(crate) outcomes: Vec<Outcome>,
    changes: Box<dyn Changes>,
    columns: usize,
    pub(crate) bytes: usize,
    /// What the next batch comes after: the key of the last row, or the end of the span.
    end: Option<Key>,
    /// How many rows were looked at to find these.
    pub(crate) span: usize,
    /// Whether the rows that were asked for were not all there: then nothing comes after them.
    pub(crate) is_last: bool,
    /// Whether nobody has looked which of them remain.
    pub(crate) takes_all: bool,
}

impl Batch {
    /// Reads the rows that remain behind a key, and converts them.
    pub(crate) async fn read(
        desk: &mut Desk<'_>,
        job: &dyn Job,
        statements: &Statements,
        migrator: &Migrator,
        (lower, upper): (Option<&Key>, Option<&Key>),
        most: usize,
    ) -> Result<Self, Trouble> {
        let bounds = Bounds { lower: lower.is_some(), upper: upper.is_some() };
        let limit = i64::try_from(most).unwrap_or(i64::MAX);
        if !statements.spans {
            let settings = if statements.sweeps && lower.is_none() { &for_sweep()[..] } else { &[] };
            let rows = page(desk, statements, (lower, upper), limit, settings).await?;
            let is_last = rows.len() < most;
            return Ok(Self { is_last, ..Self::of(&rows, job, statements, migrator).await? });
        }
        let end = match statements.track.reckon(lower, upper, most) {
            Some(end) => end,
            None => {
                let statement = desk.prepare(statements.track.boundary(bounds)).await?;
                let offset = limit.saturating_sub(1);
                let found = desk.query_opt(&statement, &parameters((lower, upper), &offset)).await?;
                found.map(|row| Key::read(&row, 0, statements.track.len())).transpose()?.flatten()
            }
        };
        let rows =
            span(desk, statements, (lower, end.as_ref().or(upper)), most, job.settings().batch_time).await?;
        let batch = Self::of(&rows, job, statements, migrator).await?;
        Ok(Self { is_last: end.is_none(), end: end.or_else(|| upper.cloned()), span: most, ..batch })
    }

    /// Reads those of some rows again that somebody else has written meanwhile, and that remain: from here on they are locked.
    pub(crate) async fn read_moved(
        &self,
        rows: &[usize],
        desk: &mut Desk<'_>,
        job: &dyn Job,
        statements: &Statements,
        migrator: &Migrator,
    ) -> Result<Self, Trouble> {
        let statement = desk.prepare(statements.moved()).await?;
        let keys = self.key_arrays(rows);
        let keys: Vec<_> = keys.iter().map(|array| -> &(dyn ToSql + Sync) { array }).collect();
        let rows = desk.query(&statement, &keys).await?;
        Self::of(&rows, job, statements, migrator).await
    }

    async fn of(
        rows: &[SqlRow],
        job: &dyn Job,
        statements: &Statements,
        migrator: &Migrator,
    ) -> Result<Self, Trouble> {
        let parts = statements.key.len();
        let column = |index: usize| {
            let mut column = RawColumn::default();
            for row in rows {
                column.push(row.try_get::<_, Received<'_>>(index)?.0);
            }
            Ok(column)
        };
        let keys = (0..parts).map(column).collect::<Result<Vec<_>, Trouble>>()?;
        let versions = column(parts)?;
        let converted = job.convert(rows, statements.own_columns(), migrator).await;
        let Converted { outcomes, changes } = converted.map_err(Fault::Enrich)?;
        let bytes = rows.iter().map(SqlRow::raw_size_bytes).sum();
        let columns = job.change_columns().len();
        let (span, takes_all) = (rows.len(), statements.takes_all);
        let batch = Self {
            keys,
            versions,
            outcomes,
            changes,
            columns,
            bytes,
            end: None,
            span,
            is_last: false,
            takes_all,
        };
        Ok(Self { end: batch.last(), ..batch })
    }

    pub(crate) fn len(&self) -> usize {
        self.outcomes.len()
    }

    /// The key of a row.
    pub(crate) fn key(&self, row: usize) -> Option<Key> {
        let parts = self.keys.iter().map(|part| Some(Raw::new(part.get(row)?)));
        Some(Key(parts.collect::<Option<_>>()?))
    }

    /// The key of the last row.
    pub(crate) fn last(&self) -> Option<Key> {
        self.key(self.len().checked_sub(1)?)
    }

    /// The rows that have a change.
    pub(crate) fn changed(&self) -> Vec<usize> {
        let changed = self.outcomes.iter().enumerate().filter(|(_, outcome)| **outcome == Outcome::Change);
        changed.map(|(row, _)| row).collect()
    }

    /// How many rows have a change.
    pub(crate) fn changes(&self) -> usize {
        self.outcomes.iter().filter(|outcome| **outcome == Outcome::Change).count()
    }

    /// The rows that can't be converted, and why.
    pub(crate) fn poison(&self) -> impl Iterator<Item = (Key, &'static str)> {
        self.outcomes.iter().enumerate().filter_map(|(row, outcome)| match outcome {
            Outcome::Poison(kind) => Some((self.key(row)?, *kind)),
            Outcome::Change | Outcome::Skip => None,
        })
    }

    /// What the next batch comes after.
    pub(crate) fn end(&self) -> Option<&Key> {
        self.end.as_ref()
    }

    /// The changes as they are copied into columns of these types; an error for a value that can't be written.
    pub(crate) fn copied(&self, types: &[Type]) -> Result<Vec<Bytes>, BoxError> {
        raw::copied(&*self.changes, self.len(), types)
    }

    /// The arrays that the statement which writes takes, for some rows.
    pub(crate) fn arrays<'a>(&'a self, rows: &'a [usize], parameters: Parameters) -> Arrays<'a> {
        let mut raw = Vec::new();
        if parameters.keys {
            raw.extend(self.key_arrays(rows));
        }
        if parameters.versions {
            raw.push(RawArray { column: &self.versions, rows });
        }
        let changes =
            (0..self.columns).map(|column| ChangeArray { changes: &*self.changes, rows, column }).collect();
        Arrays { raw, changes }
    }

    /// The keys of some rows, an array for each part.
    pub(crate) fn key_arrays<'a>(&'a self, rows: &'a [usize]) -> Vec<RawArray<'a>> {
        self.keys.iter().map(|column| RawArray { column, rows }).collect()
    }
}

/// Asks for all that remains in a span of so many rows. One flight.
async fn span(
    desk: &mut Desk<'_>,
    statements: &Statements,
    bounds: (Option<&Key>, Option<&Key>),
    rows: usize,
    limit: Duration,
) -> Result<Vec<SqlRow>, Trouble> {
    let began = Instant::now();
    let Some(settings) = desk.joins.settings(limit).filter(|_| statements.asks) else {
        let read = page(desk, statements, bounds, i64::MAX, &[]).await?;
        desk.joins.took(rows, began.elapsed());
        return Ok(read);
    };
    let read = page(desk, statements, bounds, i64::MAX, &settings).await;
    match &read {
        Err(Trouble::Server(error)) if error.code() == Some(&SqlState::QUERY_CANCELED) => {
            desk.joins.cut_off()
        }
        _ => desk.joins.took(rows, began.elapsed()),
    }
    read
}

/// What is set for the first page of a sweep: the few rows that were missed are found by reading the table once, and not by following
/// its index.
fn for_sweep() -> [(&'static str, String); 2] {
    ["enable_indexscan", "enable_indexonlyscan"].map(|name| (name, "off".to_owned()))
}

/// Asks for a page.
async fn page(
    desk: &mut Desk<'_>,
    statements: &Statements,
    (lower, upper): (Option<&Key>, Option<&Key>),
    limit: i64,
    settings: &[(&str, String)],
) -> Result<Vec<SqlRow>, Trouble> {
    let bounds = Bounds { lower: lower.is_some(), upper: upper.is_some() };
    let statement = desk.prepare(statements.page(bounds)).await?;
    let parameters = parameters((lower, upper), &limit);
    match settings {
        [] => Ok(desk.query(&statement, &parameters).await?),
        settings => desk.query_with(settings, statements.locks, &statement, &parameters).await,
    }
}

fn parameters<'a>(
    (lower, upper): (Option<&'a Key>, Option<&'a Key>),
    last: &'a i64,
) -> Vec<&'a (dyn ToSql + Sync)> {
    let last: &(dyn ToSql + Sync) = last;
    lower.into_iter().chain(upper).flat_map(Key::parameters).chain([last]).collect()
}

/// What a statement takes that writes.
pub(crate) struct Arrays<'a> {
    raw: Vec<RawArray<'a>>,
    changes: Vec<ChangeArray<'a>>,
}

impl Arrays<'_> {
    pub(crate) fn parameters(&self) -> Vec<&(dyn ToSql + Sync)> {
        let raw = self.raw.iter().map(|array| -> &(dyn ToSql + Sync) { array });
        raw.chain(self.changes.iter().map(|array| -> &(dyn ToSql + Sync) { array })).collect()
    }
}
