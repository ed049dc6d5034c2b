use std::fmt;

use dunlin_core::MigrationId;

/// What a check that has passed has looked at. `Display` is for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    checked: Vec<MigrationId>,
    skipped: Vec<Skipped>,
}

/// A migration that a check has not looked at, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    id: MigrationId,
    reason: &'static str,
}

impl Checked {
    pub(crate) fn check(&mut self, id: &MigrationId) {
        self.checked.push(id.clone());
    }

    pub(crate) fn skip(&mut self, id: &MigrationId, reason: &'static str) {
        self.skipped.push(Skipped { id: id.clone(), reason });
    }

    /// Returns the migrations that were checked, in order.
    pub fn checked(&self) -> &[MigrationId] {
        &self.checked
    }

    /// Returns the migrations that were not, in order.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }
}

impl Skipped {
    /// Returns the migration.
    pub fn id(&self) -> &MigrationId {
        &self.id
    }

    /// Returns why it was not checked, in words.
    pub fn reason(&self) -> &str {
        self.reason
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.checked.len() {
            1 => f.write_str("1 migration checked")?,
            count => write!(f, "{count} migrations checked")?,
        }
        self.skipped.iter().try_for_each(|skipped| write!(f, "\n  not checked: {skipped}"))
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.id, self.reason)
    }
}
