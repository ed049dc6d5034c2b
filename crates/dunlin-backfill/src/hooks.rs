//! What `#[dunlin_backfill::migration]` makes the hooks of a migration of.
//!
//! Not part of the public API; it may change in any release.

use std::time::Instant;

pub use dunlin_core::{BackfillProgress, RustMigration, TransactionMode};
use dunlin_core::{BackfillState, BoxError, Context};

use crate::Backfill;
use crate::down::DownKind;
use crate::job::Job;
use crate::run::{Known, Place, Purpose, put_off, run};
use crate::tables::Tables;
use crate::{Error, ErrorKind, Placement, Report, Status, remains};

/// Runs the backfill to its end, or puts it off.
pub async fn up<B: Backfill>(backfill: &B, cx: &Context<'_>) -> Result<(), BoxError> {
    let placement = cx.resource().copied().unwrap_or_else(|| backfill.settings().placement);
    match placement {
        Placement::Inline => drop(work(cx, &name(cx), backfill, None).await?),
        Placement::InlineFor(budget) => {
            work(cx, &name(cx), backfill, Instant::now().checked_add(budget)).await?;
        }
        Placement::PutOff => put_off(place(cx), &name(cx), backfill).await?,
    }
    Ok(())
}

/// Whether nothing of it is put off.
pub async fn is_backfilled<B: Backfill>(backfill: &B, cx: &Context<'_>) -> Result<bool, BoxError> {
    Ok(remains::is_finished(place(cx), &name(cx), backfill).await?)
}

/// How far it is, as far as that is written down.
pub async fn backfill_progress<B: Backfill>(
    _: &B,
    cx: &Context<'_>,
) -> Result<Option<BackfillProgress>, BoxError> {
    let tables = Tables::beside(cx.migrator().history_table())?;
    let name = name(cx);
    let known = match tables.look(cx.client()).await {
        Ok(true) => Status::of(cx.client(), &tables, Some(&name)).await,
        Ok(false) => Ok(Vec::new()),
        Err(trouble) => Err(trouble),
    };
    match known {
        Ok(known) => Ok(Some(
            known.first().map_or(BackfillProgress::new(BackfillState::Waiting, 0, 0), Status::progress),
        )),
        Err(trouble) => {
            Err(Error::new(&name, trouble.into_fault("the server refused to say how far it is")).into())
        }
    }
}

/// Does what was put off, and looks whether anything remains.
pub async fn backfill<B: Backfill>(backfill: &B, cx: &Context<'_>) -> Result<(), BoxError> {
    let name = name(cx);
    work(cx, &name, backfill, None).await?;
    let Err(error) = remains::verify(place(cx), &name, backfill).await else { return Ok(()) };
    if error.kind() == ErrorKind::Remaining {
        // Else it would pass when it was only called again.
        let reopened = async {
            let known = Known::new(place(cx), &name, backfill).await?;
            known.ledger.reopen(cx.client(), &error.to_string()).await
        };
        if let Err(trouble) = reopened.await {
            let trouble = trouble.into_fault("the server refused to write down that rows remain");
            return Err(Error::new(&name, trouble).into());
        }
    }
    Err(error.into())
}

/// Undoes it, and forgets what was written down about it.
pub async fn down<B: Backfill>(backfill: &B, cx: &Context<'_>) -> Result<(), BoxError> {
    undo(cx, &name(cx), backfill).await
}

/// Looks whether anything remains to be done.
pub async fn verify<B: Backfill>(backfill: &B, cx: &Context<'_>) -> Result<(), BoxError> {
    Ok(remains::verify(place(cx), &name(cx), backfill).await?)
}

/// Undoes what has this name, and forgets what was written down about it.
pub(crate) async fn undo<B: Backfill>(cx: &Context<'_>, name: &str, backfill: &B) -> Result<(), BoxError> {
    let down = backfill.down().0;
    if let DownKind::None = down {
        return Err("this backfill says that nothing undoes it".into());
    }
    // First, so that nobody works on it any more.
    forget(cx, name, backfill).await?;
    if let DownKind::Backfill(inverse) = down {
        let name = format!("{name}:down");
        work(cx, &name, &*inverse, None).await?;
        forget(cx, &name, &*inverse).await?;
    }
    Ok(())
}

/// Works on what has this name, until its end or for so long.
pub(crate) async fn work(
    cx: &Context<'_>,
    name: &str,
    job: &dyn Job,
    until: Option<Instant>,
) -> Result<Report, Error> {
    let tell = |done, total| cx.progress(done, total);
    let report = run(place(cx), name, job, Purpose::Work, until, &tell).await?;
    tracing::info!(%report, "a backfill has come to its end, or its time is up");
    Ok(report)
}

async fn forget(cx: &Context<'_>, name: &str, job: &dyn Job) -> Result<(), Error> {
    let forgotten = async {
        let known = Known::new(place(cx), name, job).await?;
        if known.ledger.tables.look(cx.client()).await? {
            known.ledger.forget(cx.client()).await?;
        }
        Ok(())
    };
    let forgotten: Result<(), crate::trouble::Trouble> = forgotten.await;
    forgotten.map_err(|trouble| Error::new(name, trouble.into_fault("the server refused to forget it")))
}

pub(crate) fn place<'a>(cx: &'a Context<'_>) -> Place<'a> {
    Place { migrator: cx.migrator(), client: cx.client(), connect: cx.connector() }
}

/// A backfill has the name of its migration.
pub(crate) fn name(cx: &Context<'_>) -> String {
    cx.id().name().to_owned()
}
