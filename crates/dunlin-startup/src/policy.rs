/// What becomes of a start that is not over within its [budget](crate::StartupBuilder::budget). The migrations go on in the background
/// unless it says that the start has failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OverBudget {
    /// The service is ready when the schema is, however long that takes.
    #[default]
    KeepWaiting,
    /// The service is ready from then on, for one that can live with the schema that its predecessor has left.
    Ready,
    /// The start has failed: the migrations are asked to stop.
    Fail,
}

/// Who finishes backfills that were put off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PutOff {
    /// This process, after the migrations, while the service is ready. One that fails is tried again, after longer and longer pauses of up
    /// to ten minutes; meanwhile the snapshot says why.
    #[default]
    InBackground,
    /// This process, before the service is ready.
    BeforeReady,
    /// Somebody else.
    Elsewhere,
}

/// Whether a service is ready on a database that holds later migrations than it knows: an older program after a newer one.
/// [`Ahead::Deny`](dunlin_core::Ahead::Deny) of the migrator makes it a failure instead.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenAhead {
    /// It is, and says that the database is ahead.
    #[default]
    Ready,
    /// It is not.
    NotReady,
}
