//! What of a backfill is still to be done.

use crate::batch::Batch;
use crate::desk::Desk;
use crate::error::{Error, Fault};
use crate::job::{Job, Outcome};
use crate::key::Key;
use crate::run::{Known, Place};
use crate::tables::Tables;
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

/// Whether nothing of it is put off: it has come to its end, or it has never begun and no row remains.
pub(crate) async fn is_finished(place: Place<'_>, name: &str, job: &dyn Job) -> Result<bool, Error> {
    let asked = async {
        // Asked four times a second where somebody waits for it: what the catalogs say of the table is asked only if nothing is written down.
        let tables = Tables::beside(place.migrator.history_table()).map_err(Fault::Names)?;
        let known = match tables.look(place.client).await? {
            true => tables.is_finished(place.client, name).await?,
            false => None,
        };
        match known {
            Some(is_finished) => Ok(is_finished),
            None => {
                let Known { ledger, .. } = Known::new(place, name, job).await?;
                Ok(!place.client.query_one(&ledger.statements.any(), &[]).await?.try_get::<_, bool>(0)?)
            }
        }
    };
    let asked: Result<bool, Trouble> = asked.await;
    asked.map_err(|trouble| Error::new(name, trouble.into_fault("the server refused to say how far it is")))
}

async fn look(place: Place<'_>, name: &str, job: &dyn Job) -> Result<(), Trouble> {
    let Known { ledger, .. } = Known::new(place, name, job).await?;
    let mut statements = ledger.statements.clone();
    (statements.locks, statements.spans, statements.sweeps) = (false, false, true);
    let is_known = ledger.tables.look(place.client).await?;
    if is_known {
        statements = statements.without_quarantined(&ledger.tables.quarantine, name);
    }
    let mut desk = Desk::lent(place.client).await?;
    let mut after: Option<Key> = None;
    loop {
        let bounds = (after.as_ref(), None);
        let batch = Batch::read(&mut desk, job, &statements, place.migrator, bounds, PAGE).await?;
        let wanted = batch.changed();
        if let Some(key) = wanted.first().and_then(|row| batch.key(*row)) {
            let key = key.text(place.client, &statements).await?;
            let count = match (batch.is_last, wanted.len()) {
                (true, count) => count.to_string(),
                (false, count) => format!("{count} or more"),
            };
            let is_finished = !is_known || ledger.is_finished(place.client).await? != Some(false);
            return Err(Fault::Remaining { count, key, is_finished }.into());
        }
        if batch.is_last {
            return Ok(());
        }
        debug_assert!(!batch.outcomes.contains(&Outcome::Change));
        after = batch.end().cloned();
    }
}
