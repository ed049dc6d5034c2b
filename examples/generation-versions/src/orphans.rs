/// What is done with generations whose project is gone. A migrator gets it with [`resource`](dunlin::Migrator::resource).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Orphans {
    /// Nothing is migrated while there are some.
    #[default]
    Refuse,
    /// They go to the table `orphaned_generations`; their files stay where they are.
    Archive,
}
