use std::fmt;
use std::sync::Arc;

use crate::{Phase, Snapshot};

/// Why a service will not become ready by itself any more: its start has failed, or it was asked to stop.
#[derive(Clone)]
pub struct NotReady(Arc<Snapshot>);

impl NotReady {
    pub(crate) fn new(snapshot: Snapshot) -> Self {
        Self(Arc::new(snapshot))
    }

    /// How the start has ended.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.0.phase
    }

    /// All that was known then.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.0
    }
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0.failure, &self.0.reason) {
            (Some(failure), _) => f.write_str(&failure.text),
            (None, Some(reason)) => f.write_str(reason),
            (None, None) => write!(f, "{}", self.0.phase),
        }
    }
}

impl fmt::Debug for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for NotReady {}
