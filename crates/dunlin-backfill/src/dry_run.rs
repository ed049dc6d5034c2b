//! What would come of a backfill.

use std::collections::BTreeMap;
use std::fmt;

use crate::batch::Batch;
use crate::desk::{Desk, Limits};
use crate::error::Error;
use crate::job::{Job, Outcome};
use crate::key::Key;
use crate::pace::Pace;
use crate::run::{Known, Place};
use crate::trouble::{Remedy, Trouble};

/// Keys of poison rows that are told.
const TOLD: usize = 10;

/// How many rows a dry run looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// All that remain.
    All,
    /// So many of them, the first by their key.
    Rows(u64),
}

/// What would come of a backfill.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct DryRun {
    /// Its name.
    pub backfill: String,
    /// Rows that were looked at.
    pub processed: u64,
    /// Rows that it would change.
    pub changed: u64,
    /// Rows that it would leave as they are.
    pub skipped: u64,
    /// Rows that it would set aside, by SQLSTATE or [kind](crate::RowError::kind) of error.
    pub poison: BTreeMap<String, u64>,
    /// The keys of the first of these, each with its kind.
    pub examples: Vec<(String, String)>,
}

impl DryRun {
    fn note(&mut self, kind: &str, key: String) {
        let count = self.poison.entry(kind.to_owned()).or_default();
        *count = count.saturating_add(1);
        if self.examples.len() < TOLD {
            self.examples.push((key, kind.to_owned()));
        }
    }
}

impl fmt::Display for DryRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { backfill, processed, changed, skipped, poison, examples } = self;
        let set_aside: u64 = poison.values().sum();
        write!(
            f,
            "backfill {backfill}, dry run: of {processed} rows {changed} would change, {skipped} stay as they are, {set_aside} \
             be set aside"
        )?;
        for (kind, count) in poison {
            write!(f, "\n  {kind}: {count}")?;
            let keys: Vec<_> =
                examples.iter().filter(|(_, of)| of == kind).map(|(key, _)| key.as_str()).collect();
            if !keys.is_empty() {
                write!(f, ", {}", keys.join(" "))?;
            }
        }
        Ok(())
    }
}

pub(crate) async fn dry_run(
    place: Place<'_>,
    name: &str,
    job: &dyn Job,
    sample: Sample,
) -> Result<DryRun, Error> {
    let done = look(place, name, job, sample).await;
    done.map_err(|trouble| Error::new(name, trouble.into_fault("the server refused a statement")))
}

async fn look(place: Place<'_>, name: &str, job: &dyn Job, sample: Sample) -> Result<DryRun, Trouble> {
    let Known { ledger, .. } = Known::new(place, name, job).await?;
    // What is written is what was read, whoever else writes meanwhile.
    let mut statements = ledger.statements;
    statements.locks = true;
    let mut desk = Desk::lent(place.client).await?;
    let settings = job.settings();
    let mut pace = Pace::new(settings.batch_time);
    let mut told = DryRun { backfill: name.to_owned(), ..DryRun::default() };
    let mut after: Option<Key> = None;
    loop {
        let left = match sample {
            Sample::All => usize::MAX,
            Sample::Rows(rows) => usize::try_from(rows.saturating_sub(told.processed)).unwrap_or(usize::MAX),
        };
        let most = pace.rows().min(left);
        if most == 0 {
            return Ok(told);
        }
        let began = std::time::Instant::now();
        desk.begin(Limits { statement: None, lock: settings.batch_time }).await?;
        let batch =
            Batch::read(&mut desk, job, &statements, place.migrator, (after.as_ref(), None), most).await?;
        let rows = batch.changed();
        let written = async {
            if !rows.is_empty() {
                let statement = desk.prepare(statements.write.clone()).await?;
                let arrays = batch.arrays(&rows, statements.parameters);
                desk.execute(&statement, &arrays.parameters()).await?;
                desk.batch_execute("SET CONSTRAINTS ALL IMMEDIATE").await?;
            }
            Ok(())
        };
        let written: Result<(), Trouble> = written.await;
        desk.roll_back().await?;
        let refused = match written {
            Ok(()) => None,
            Err(trouble) if trouble.remedy() == Remedy::Bisect => {
                if pace.halve(batch.len()) {
                    continue;
                }
                Some(trouble.code().map_or("a value that can't be written", |code| code.code()).to_owned())
            }
            Err(trouble) => return Err(trouble),
        };
        let count = |rows: usize| u64::try_from(rows).unwrap_or(u64::MAX);
        told.processed = told.processed.saturating_add(count(batch.len()));
        for (key, kind) in batch.poison() {
            told.note(kind, key.text(&desk, &statements).await?);
        }
        match (refused, batch.last()) {
            (Some(kind), Some(key)) => told.note(&kind, key.text(&desk, &statements).await?),
            _ => told.changed = told.changed.saturating_add(count(rows.len())),
        }
        let skipped = batch.outcomes.iter().filter(|outcome| **outcome == Outcome::Skip).count();
        told.skipped = told.skipped.saturating_add(count(skipped));
        pace.wrote(batch.span, batch.bytes, began.elapsed());
        if batch.is_last {
            return Ok(told);
        }
        after = batch.end().cloned();
    }
}
