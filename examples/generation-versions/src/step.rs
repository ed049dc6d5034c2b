use std::{fmt, io, path::Path, sync::Arc};

/// One thing that is about to be done: to the storage root, or to the database about it.
///
/// Whatever has an effect is announced as one, so a test can end a run before each of them.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// What is done, as in `can't link "…"`.
    pub what: &'static str,
    /// To what.
    pub path: &'a Path,
}

/// Who is told of steps, if anybody.
#[derive(Clone, Default)]
pub(crate) struct Watcher(Option<Arc<Watch>>);

type Watch = dyn Fn(Step<'_>) -> io::Result<()> + Send + Sync;

impl Watcher {
    pub(crate) fn new(watch: impl Fn(Step<'_>) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(watch)))
    }

    pub(crate) fn tell(&self, step: Step<'_>) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), |watch| watch(step))
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Some(..)" } else { "None" })
    }
}
