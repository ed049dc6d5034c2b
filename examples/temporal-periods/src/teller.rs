use std::fmt;
use std::sync::Arc;

use dunlin_backfill::Report;

/// What becomes of a part of the backfill.
#[derive(Clone, Copy, Debug)]
pub enum Told<'a> {
    /// The part of this name begins, or goes on.
    Begins(&'a str),
    /// It is done.
    Ended(&'a Report),
}

/// Who is told what becomes of the parts of the backfill: a [resource](dunlin::Migrator::resource) of the migrator.
///
/// A service has no use for it: the reports are in its log as well.
#[derive(Clone)]
pub struct Teller(Arc<dyn Fn(Told<'_>) + Send + Sync>);

impl Teller {
    /// One that calls this.
    pub fn new(tell: impl Fn(Told<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    pub(crate) fn tell(&self, what: Told<'_>) {
        (self.0)(what);
    }
}

impl Default for Teller {
    /// One that tells nobody.
    fn default() -> Self {
        Self::new(|_| ())
    }
}

impl fmt::Debug for Teller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Teller(..)")
    }
}
