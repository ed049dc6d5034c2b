use dunlin_core::{HistoryTable, MigrationSet, Migrator, Pooler};

/// What is checked: made of a `&MigrationSet`, or of a `&Migrator` where the migrations need what is set there.
#[derive(Clone, Debug)]
pub struct Subject {
    migrator: Migrator,
}

impl Subject {
    pub(crate) fn migrator(&self) -> &Migrator {
        &self.migrator
    }

    pub(crate) fn set(&self) -> &MigrationSet {
        self.migrator.set()
    }
}

impl From<&MigrationSet> for Subject {
    fn from(set: &MigrationSet) -> Self {
        Self::from(&Migrator::new(set.clone()))
    }
}

/// Without what is about the service's own database: where its history is, and what stands before it.
impl From<&Migrator> for Subject {
    fn from(migrator: &Migrator) -> Self {
        Self { migrator: migrator.clone().history(HistoryTable::default()).pooler(Pooler::Session) }
    }
}
