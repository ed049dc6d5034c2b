use dunlin_startup::Snapshot;

use crate::page::parts::parts;

/// What a page that listens has not been told yet.
///
/// [`events`](crate::events) is made of it; a server of another kind sends what it gives as the data of events that are called
/// `parts`.
///
/// ```
/// use std::time::SystemTime;
///
/// use dunlin_axum::Updates;
/// use dunlin_startup::{Phase, Snapshot};
///
/// let mut snapshot = Snapshot::new(SystemTime::now());
/// let mut updates = Updates::new();
/// let all = updates.next(&snapshot).expect("it has been told nothing");
/// assert_eq!(updates.next(&snapshot), None);
///
/// snapshot.phase = Phase::Migrating;
/// let changed = updates.next(&snapshot).expect("the verdict is another");
/// assert!(changed.len() < all.len());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Updates {
    /// What each part was when it was told, in their order.
    told: Vec<u64>,
}

impl Updates {
    /// For a page that has been told nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The sections of the [`fragment`](crate::fragment) that are not what they were, as HTML; nothing if all are.
    #[must_use]
    pub fn next(&mut self, snapshot: &Snapshot) -> Option<String> {
        let parts = parts(snapshot);
        let now: Vec<u64> = parts.iter().map(|part| part.fingerprint()).collect();
        let told = self.told.iter().map(Some).chain(std::iter::repeat(None));
        let changed = parts.into_iter().zip(&now).zip(told).filter(|((_, now), told)| Some(*now) != *told);
        let html: String = changed.map(|((part, _), _)| part.html.into_string()).collect();
        self.told = now;
        (!html.is_empty()).then_some(html)
    }
}
