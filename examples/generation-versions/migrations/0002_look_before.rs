//! Changes nothing: looks whether the migrations after it can do their work, before any of them has begun.

use dunlin::{BoxError, Context, RustMigration};

use crate::{Error, Orphans, Preflight, Storage};

pub struct Migration;

impl RustMigration for Migration {
    const REVERSIBLE: bool = true;

    async fn up(&self, cx: &Context<'_>) -> Result<(), BoxError> {
        let storage: &Storage = cx.resource().ok_or(Error::NoStorage)?;
        let orphans = cx.resource().copied().unwrap_or(Orphans::Refuse);
        let preflight = Preflight::look(cx.client(), storage).await.map_err(Error::into_cause)?;
        Ok(preflight.pass(orphans)?)
    }

    async fn down(&self, _: &Context<'_>) -> Result<(), BoxError> {
        Ok(())
    }
}
