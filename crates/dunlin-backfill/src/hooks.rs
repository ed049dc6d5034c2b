//! What `#[dunlin_backfill::migration]` makes the hooks of a migration of.
//!
//! Not part of the public API; it may change in any release.

use dunlin_core::{BoxError, Context};
pub use dunlin_core::{RustMigration, TransactionMode};

use crate::Backfill;
use crate::down::DownKind;
use crate::job::Job;
use crate::run::{Known, Place, Purpose, run};
use crate::{Error, remains};

/// Runs the backfill to its end.
pub async fn up<B: Backfill>(backfill: &B, cx: &Context<'_>) -> Result<(), BoxError> {
    Ok(whole(cx, &name(cx), backfill).await?)
}

/// Undoes it, and forgets what was written down about it.
pub async fn down<B: Backfill>(backfill: &B, cx: &Context<'_>) -> Result<(), BoxError> {
    match backfill.down().0 {
        DownKind::None => return Err("this backfill says that nothing undoes it".into()),
        DownKind::Nothing => {}
        DownKind::Backfill(inverse) => {
            let name = format!("{}:down", name(cx));
            whole(cx, &name, &*inverse).await?;
            forget(cx, &name, &*inverse).await?;
        }
    }
    Ok(forget(cx, &name(cx), backfill).await?)
}

/// Looks whether anything remains to be done.
pub async fn verify<B: Backfill>(backfill: &B, cx: &Context<'_>) -> Result<(), BoxError> {
    Ok(remains::verify(place(cx), &name(cx), backfill).await?)
}

async fn whole(cx: &Context<'_>, name: &str, job: &dyn Job) -> Result<(), Error> {
    let tell = |done, total| cx.progress(done, total);
    let report = run(place(cx), name, job, Purpose::Work, &tell).await?;
    tracing::info!(%report, "a backfill has come to its end");
    Ok(())
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

fn place<'a>(cx: &'a Context<'_>) -> Place<'a> {
    Place { migrator: cx.migrator(), client: cx.client(), connect: cx.connector() }
}

/// A backfill has the name of its migration.
fn name(cx: &Context<'_>) -> String {
    cx.id().name().to_owned()
}
