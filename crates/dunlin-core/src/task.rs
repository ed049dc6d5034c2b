use std::time::Duration;

use crate::journal::Journal;
use crate::migration::Migration;
use crate::plan::{Direction, Step};
use crate::report::Done;
use crate::set::Member;
use crate::sql_migration::SqlScript;
use crate::{MigrationId, TransactionMode};

/// A step of a plan together with the migration that it is about.
#[derive(Clone, Copy)]
pub(crate) struct Task<'m> {
    pub(crate) step: &'m Step,
    pub(crate) member: &'m Member,
}

impl<'m> Task<'m> {
    pub(crate) fn id(&self) -> &'m MigrationId {
        self.member.id()
    }

    pub(crate) fn direction(&self) -> Direction {
        self.step.direction
    }

    pub(crate) fn migration(&self) -> &'m dyn Migration {
        &*self.member.migration
    }

    pub(crate) fn is_outside_transaction(&self) -> bool {
        self.step.transaction == TransactionMode::None
    }

    /// Whether it requires that something else is finished.
    pub(crate) fn is_gated(&self) -> bool {
        self.direction() == Direction::Up && !self.migration().required_backfills().is_empty()
    }

    /// What a report says of it when it is done.
    pub(crate) fn done(&self, took: Duration) -> Done {
        Done { id: self.id().clone(), direction: self.direction(), took }
    }

    /// The SQL to run; nothing when it is Rust.
    pub(crate) fn script(&self) -> Option<&'m SqlScript> {
        let sql = self.member.migration.as_sql()?;
        match self.direction() {
            Direction::Up => Some(sql.up_script()),
            Direction::Down => sql.down_script(),
        }
    }

    /// The statements to run one by one, where it is outside a transaction.
    pub(crate) fn journal(&self) -> Journal<'m> {
        match self.direction() {
            Direction::Up => Journal::of_up(self.migration()),
            Direction::Down => Journal::of_down(self.migration()),
        }
    }

    /// How it is verified afterwards.
    pub(crate) fn verification(&self) -> Verification<'m> {
        match (self.direction(), self.member.migration.as_sql()) {
            (Direction::Down, _) => Verification::Nothing,
            (Direction::Up, Some(sql)) => match sql.verify_script() {
                Some(script) => Verification::Script(script),
                None => Verification::Nothing,
            },
            (Direction::Up, None) => Verification::Code,
        }
    }

    /// Whether it can travel with its neighbours and be committed with them.
    pub(crate) fn is_plain_sql(&self) -> bool {
        !self.is_outside_transaction() && self.script().is_some()
    }
}

/// How a migration is verified after its up.
#[derive(Clone, Copy)]
pub(crate) enum Verification<'m> {
    Nothing,
    Script(&'m SqlScript),
    Code,
}
