use std::fmt;
use std::sync::Arc;

use crate::Backfill;
use crate::job::Job;

/// What undoes a backfill.
#[derive(Clone)]
#[must_use]
pub struct Down(pub(crate) DownKind);

#[derive(Clone)]
pub(crate) enum DownKind {
    None,
    Nothing,
    Backfill(Arc<dyn Job>),
}

impl Down {
    /// Nothing does: the migration can't be reverted.
    pub const fn none() -> Self {
        Self(DownKind::None)
    }

    /// Nothing needs to be done, as what it has written goes with the column or the table that it is in, which an earlier migration's
    /// down drops.
    pub const fn nothing() -> Self {
        Self(DownKind::Nothing)
    }

    /// Another backfill does. It has a name of its own: that of the migration, followed by `:down`.
    pub fn backfill(inverse: impl Backfill) -> Self {
        Self(DownKind::Backfill(Arc::new(inverse)))
    }
}

impl fmt::Debug for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            DownKind::None => "Down::none()",
            DownKind::Nothing => "Down::nothing()",
            DownKind::Backfill(_) => "Down::backfill(..)",
        })
    }
}
