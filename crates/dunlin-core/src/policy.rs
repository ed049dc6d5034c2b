/// What to do with a migration that is older than one that has been applied, and is itself not applied: a file that
/// arrived with a late merge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutOfOrder {
    /// The database has diverged; nothing runs.
    #[default]
    Deny,
    /// Apply it.
    Allow,
}

/// What to do when the history holds a migration that the set does not, older than the set's newest: a file that was
/// deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missing {
    /// The database has diverged; nothing runs.
    #[default]
    Deny,
    /// Go on without it.
    Allow,
}

/// What to do when the history holds migrations that are newer than the set: an older binary after a rollback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ahead {
    /// Boot: whoever rolled the binary back knows that it can live with the newer schema.
    #[default]
    Allow,
    /// The database is refused.
    Deny,
}

/// What to do when an applied migration says something else now. Comments, white space outside literals and line
/// ends are never an edit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Edited {
    /// The database has diverged; nothing runs.
    #[default]
    Deny,
    /// Go on with what was applied.
    Allow,
}

/// What to do when a migration requires a backfill that is not finished, as [`Migrator::gate`](crate::Migrator::gate) takes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Gate {
    /// Finish it in this run, beside others that work on it: a boot takes as long as that takes.
    #[default]
    Finish,
    /// Wait until others have finished it, for as long as the [deadline](crate::Migrator::deadline) allows.
    Wait,
    /// End the run with an error. What comes before the migration is applied.
    Refuse,
}

/// The four policies together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Policies {
    pub(crate) out_of_order: OutOfOrder,
    pub(crate) missing: Missing,
    pub(crate) ahead: Ahead,
    pub(crate) edited: Edited,
}
