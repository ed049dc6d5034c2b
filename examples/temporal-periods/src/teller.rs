use std::fmt;
use std::sync::Arc;

use dunlin_backfill::Report;

/// Who is told what each part of the backfill has done: a [resource](dunlin::Migrator::resource) of the migrator.
///
/// A service has no use for it: the reports are in its log as well.
#[derive(Clone)]
pub struct Teller(Arc<dyn Fn(&Report) + Send + Sync>);

impl Teller {
    /// One that calls this.
    pub fn new(tell: impl Fn(&Report) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    pub(crate) fn tell(&self, report: &Report) {
        (self.0)(report);
    }
}

impl fmt::Debug for Teller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Teller(..)")
    }
}
