//! A backfill without its types, so that the engine is compiled once and not for each.

use async_trait::async_trait;
use dunlin_core::{BoxError, Migrator};
use tokio_postgres::Row as SqlRow;
use tokio_postgres::types::{ToSql, Type};

use crate::{Backfill, Change, ChangeColumn, Row, RowColumn, Settings, Source, Write};

/// What the engine knows of a [`Backfill`].
#[async_trait]
pub(crate) trait Job: Send + Sync {
    fn source(&self) -> Source;
    fn write(&self) -> Write;
    fn settings(&self) -> Settings;
    fn revision(&self) -> u32;
    fn row_columns(&self) -> &'static [RowColumn];
    fn row_accepts(&self, column: usize, ty: &Type) -> bool;
    fn change_columns(&self) -> &'static [ChangeColumn];
    fn change_accepts(&self, column: usize, ty: &Type) -> bool;

    /// Reads the rows, whose own columns begin at `first`, and converts them.
    async fn convert(
        &self,
        rows: &[SqlRow],
        first: usize,
        migrator: &Migrator,
    ) -> Result<Converted, BoxError>;
}

/// What becomes of the rows of a batch, in their order.
pub(crate) struct Converted {
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) changes: Box<dyn Changes>,
}

/// What becomes of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It has a change of its number.
    Change,
    Skip,
    Poison(&'static str),
}

/// The changes of a batch.
pub(crate) trait Changes: Send + Sync {
    /// The value for a column, or nothing if the row has no change.
    fn value(&self, row: usize, column: usize) -> Option<&(dyn ToSql + Sync)>;
}

#[async_trait]
impl<B: Backfill> Job for B {
    fn source(&self) -> Source {
        Backfill::source(self)
    }

    fn write(&self) -> Write {
        Backfill::write(self)
    }

    fn settings(&self) -> Settings {
        Backfill::settings(self)
    }

    fn revision(&self) -> u32 {
        B::REVISION
    }

    fn row_columns(&self) -> &'static [RowColumn] {
        B::Row::COLUMNS
    }

    fn row_accepts(&self, column: usize, ty: &Type) -> bool {
        B::Row::accepts(column, ty)
    }

    fn change_columns(&self) -> &'static [ChangeColumn] {
        B::Change::COLUMNS
    }

    fn change_accepts(&self, column: usize, ty: &Type) -> bool {
        B::Change::accepts(column, ty)
    }

    async fn convert(
        &self,
        rows: &[SqlRow],
        first: usize,
        migrator: &Migrator,
    ) -> Result<Converted, BoxError> {
        // Rows that can't be read are poison; the others are enriched together.
        let mut outcomes = vec![Outcome::Poison(UNREADABLE); rows.len()];
        let (places, mut read): (Vec<usize>, Vec<B::Row>) = rows
            .iter()
            .enumerate()
            .filter_map(|(place, row)| Some((place, B::Row::read(row, first).ok()?)))
            .unzip();
        self.enrich(&mut read, migrator).await?;
        let mut changes: Vec<Option<B::Change>> = Vec::new();
        changes.resize_with(rows.len(), || None);
        for (place, row) in places.into_iter().zip(&read) {
            let (outcome, change) = match Backfill::convert(self, row) {
                Ok(Some(change)) => (Outcome::Change, Some(change)),
                Ok(None) => (Outcome::Skip, None),
                Err(error) => (Outcome::Poison(error.kind()), None),
            };
            if let (Some(place), Some(kept)) = (outcomes.get_mut(place), changes.get_mut(place)) {
                (*place, *kept) = (outcome, change);
            }
        }
        Ok(Converted { outcomes, changes: Box::new(changes) })
    }
}

/// The kind of a row with a value that does not fit its field.
const UNREADABLE: &str = "a value that does not fit its field";

impl<C: Change> Changes for Vec<Option<C>> {
    fn value(&self, row: usize, column: usize) -> Option<&(dyn ToSql + Sync)> {
        Some(self.get(row)?.as_ref()?.value(column))
    }
}
