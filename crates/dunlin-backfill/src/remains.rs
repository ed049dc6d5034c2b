//! What of a backfill is still to be done.

use crate::batch::Batch;
use crate::desk::Desk;
use crate::error::{Error, Fault};
use crate::job::{Job, Outcome};
use crate::key::Key;
use crate::run::{Known, Place};
use crate::trouble::Trouble;

/// Rows that are read at once.
const PAGE: usize = 5_000;

/// Fails if a row remains that the backfill would change. Rows that were set aside do not count, and those that `convert` leaves alone.
pub(crate) async fn verify(place: Place<'_>, name: &str, job: &dyn Job) -> Result<(), Error> {
    match look(place, name, job).await {
        Ok(()) => Ok(()),
        Err(trouble) => Err(Error::new(name, trouble.into_fault("the server refused to show what remains"))),
    }
}

async fn look(place: Place<'_>, name: &str, job: &dyn Job) -> Result<(), Trouble> {
    let Known { ledger, .. } = Known::new(place, name, job).await?;
    let mut statements = ledger.statements.clone();
    statements.locks = false;
    if ledger.tables.look(place.client).await? {
        statements = statements.without_quarantined(&ledger.tables.quarantine, name);
    }
    let mut desk = Desk::lent(place.client).await?;
    let mut after: Option<Key> = None;
    loop {
        let bounds = (after.as_ref(), None);
        let batch = Batch::read(&mut desk, job, &statements, place.migrator, bounds, PAGE).await?;
        let wanted = batch.stripe(0, 1);
        if let Some(key) = wanted.first().and_then(|row| batch.keys.get(*row)) {
            let key = key.text(place.client, &statements).await?;
            let count = match (batch.is_last, wanted.len()) {
                (true, count) => count.to_string(),
                (false, count) => format!("{count} or more"),
            };
            return Err(Fault::Remaining { count, key }.into());
        }
        if batch.is_last {
            return Ok(());
        }
        debug_assert!(!batch.outcomes.contains(&Outcome::Change));
        after = batch.end().cloned();
    }
}
