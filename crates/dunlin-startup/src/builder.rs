use std::sync::Arc;
use std::time::Duration;

use dunlin_core::{Connect, Migrator};

use crate::{OverBudget, PutOff, Startup, WhenAhead};

/// How a service starts. Made by [`Startup::new`].
#[must_use]
pub struct StartupBuilder {
    pub(crate) connect: Arc<dyn Connect>,
    pub(crate) migrator: Migrator,
    pub(crate) settings: Settings,
}

/// What is set of a start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) budget: Option<(Duration, OverBudget)>,
    pub(crate) put_off: PutOff,
    pub(crate) ahead: WhenAhead,
    pub(crate) grace: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            budget: None,
            put_off: PutOff::default(),
            ahead: WhenAhead::default(),
            grace: Duration::from_secs(1),
        }
    }
}

impl StartupBuilder {
    /// How long the start may take, and what becomes of it when it takes longer; without end by default.
    pub fn budget(mut self, budget: Duration, then: OverBudget) -> Self {
        self.settings.budget = Some((budget, then));
        self
    }

    /// Who finishes backfills that were put off; this process, in the background, by default.
    pub fn backfills(mut self, put_off: PutOff) -> Self {
        self.settings.put_off = put_off;
        self
    }

    /// Whether the service is ready on a database that is ahead of it; it is by default.
    pub fn ahead(mut self, ahead: WhenAhead) -> Self {
        self.settings.ahead = ahead;
        self
    }

    /// How long [`Startup::shutdown`] waits for a run to come to a place where nothing is half done, before it cuts it off; one
    /// second by default.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.settings.grace = grace;
        self
    }

    /// Begins: the migrations run in a task of their own from now on.
    ///
    /// The task ends with the last clone of what this returns.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[must_use = "dropping it ends the migrations"]
    pub fn start(self) -> Startup {
        Startup::begin(self)
    }
}

impl std::fmt::Debug for StartupBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StartupBuilder")
            .field("migrator", &self.migrator)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
