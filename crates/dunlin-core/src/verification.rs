use std::collections::HashSet;
use std::fmt;

use tokio_postgres::Client;

use crate::failure::Failure;
use crate::history::{Record, RecordState};
use crate::ident::literal;
use crate::lock::OPEN;
use crate::run::reading;
use crate::task::{Task, Verification as How};
use crate::undo::Undo;
use crate::wire::{Wire, flag};
use crate::{Context, Direction, Error, MigrationId, Migrator, Step, verify};

/// What [`Migrator::verify`] has checked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Verification {
    verified: Vec<MigrationId>,
    without: usize,
}

impl Verification {
    /// The migrations that have a verify script or are Rust, all of which have passed.
    #[must_use]
    pub fn verified(&self) -> &[MigrationId] {
        &self.verified
    }

    /// How many applied migrations say nothing about how to verify them.
    #[must_use]
    pub fn without_script(&self) -> usize {
        self.without
    }
}

impl fmt::Display for Verification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} verified, {} without a verify script", self.verified.len(), self.without)
    }
}

const SAVEPOINT: &str = "SAVEPOINT dunlin_verify";
const BACK: &str = "ROLLBACK TO SAVEPOINT dunlin_verify";

/// What verifying may do in its transaction, which is rolled back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Whatever the role may.
    Any,
    /// Read.
    Read,
}

/// Verifies what is applied, each migration in its own savepoint, all in one transaction that is rolled back.
pub(crate) async fn verify(
    migrator: &Migrator,
    client: &Client,
    access: Access,
) -> Result<Verification, Error> {
    let wire = Wire::new(client);
    let records = migrator.records(&wire).await?.unwrap_or_default();
    let lost = |error| Error::database(reading(migrator), error);
    let open = wire.rows(&format!("SELECT {OPEN}")).await.map_err(lost)?;
    if open.first().is_some_and(|row| flag(row, "open")) {
        return Err(Error::open_transaction());
    }
    let mode = match access {
        Access::Any => "",
        Access::Read => " READ ONLY",
    };
    let role = migrator.role.as_ref().map(|role| format!("; SET LOCAL ROLE {role}"));
    let path = migrator
        .search_path
        .as_deref()
        .map(|path| format!("; SELECT pg_catalog.set_config('search_path', {}, true)", literal(path)));
    let begin = format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED{mode}{}{}; {SAVEPOINT}",
        role.unwrap_or_default(),
        path.unwrap_or_default()
    );
    let undo = Undo::on_drop(client, "ROLLBACK".to_owned());
    wire.rows(&begin).await.map_err(lost)?;
    let applied = records.iter().filter(|record| record.state() == RecordState::Applied).map(Record::version);
    let verified = each(migrator, &wire, applied.collect()).await;
    // However it has ended, nothing stays open.
    wire.rows("ROLLBACK").await.map_err(lost)?;
    undo.disarm();
    verified
}

async fn each(migrator: &Migrator, wire: &Wire<'_>, applied: HashSet<i64>) -> Result<Verification, Error> {
    let client = wire.client();
    let mut verification = Verification { verified: Vec::new(), without: 0 };
    let mut failures = Vec::new();
    for member in migrator.set.members().iter().filter(|member| applied.contains(&member.version())) {
        let step = Step::up(member.id().clone());
        let outcome = match (Task { step: &step, member }).verification() {
            How::Nothing => {
                verification.without = verification.without.saturating_add(1);
                continue;
            }
            How::Script(script) => verify::judge(member.id(), script, verify::ask(client, script).await),
            How::Code => {
                let cx = Context::new(client, member.id(), migrator, None);
                let verified = member.migration.verify(&cx).await;
                verified.map_err(|error| Error::verify_code(member.id().clone(), error))
            }
        };
        match outcome {
            Ok(()) => verification.verified.push(member.id().clone()),
            Err(error) => failures.push(error.reason()),
        }
        if let Err(error) = wire.rows(BACK).await {
            return Err(match Failure::of(&error) {
                Some(_) => Error::transaction_ended(member.id().clone(), Direction::Up, None),
                None => Error::database(reading(migrator), error),
            });
        }
    }
    if failures.is_empty() {
        return Ok(verification);
    }
    Err(Error::verification(verification.verified.len().saturating_add(failures.len()), failures))
}
