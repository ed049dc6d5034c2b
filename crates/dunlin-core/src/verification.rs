use std::fmt;

use tokio_postgres::Client;

use crate::history::RecordState;
use crate::run::reading;
use crate::task::{Task, Verification as How};
use crate::wire::Wire;
use crate::{Context, Error, MigrationId, Migrator, verify};

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

/// Verifies what is applied, each migration in its own savepoint, all in one transaction that is rolled back.
pub(crate) async fn verify(migrator: &Migrator, client: &Client) -> Result<Verification, Error> {
    const SAVEPOINT: &str = "SAVEPOINT dunlin_verify";
    const BACK: &str = "ROLLBACK TO SAVEPOINT dunlin_verify";
    let wire = Wire::new(client);
    let records = migrator.records(&wire).await?.unwrap_or_default();
    let lost = |error| Error::database(reading(migrator), error);
    let applied = |version| {
        records
            .iter()
            .any(|record| record.id().version() == version && record.state() == RecordState::Applied)
    };
    let mut verification = Verification { verified: Vec::new(), without: 0 };
    let mut failures = Vec::new();
    let path = migrator.search_path.as_deref().map(|path| {
        format!("; SELECT pg_catalog.set_config('search_path', {}, true)", crate::ident::literal(path))
    });
    let begin = format!("BEGIN ISOLATION LEVEL READ COMMITTED{}; {SAVEPOINT}", path.unwrap_or_default());
    wire.rows(&begin).await.map_err(lost)?;
    for member in migrator.set.members().iter().filter(|member| applied(member.version())) {
        let step = crate::Step::up(member.id().clone());
        let outcome = match (Task { step: &step, member }).verification() {
            How::Nothing => {
                verification.without = verification.without.saturating_add(1);
                continue;
            }
            How::Script(script) => verify::judge(member.id(), script, verify::ask(client, script).await),
            How::Code => {
                let cx = Context::new(client, member.id(), &migrator.resources, &migrator.observer);
                let verified = member.migration.verify(&cx).await;
                verified.map_err(|error| Error::verify_code(member.id().clone(), error))
            }
        };
        match outcome {
            Ok(()) => verification.verified.push(member.id().clone()),
            Err(error) => failures.push(error.reason()),
        }
        wire.rows(BACK).await.map_err(lost)?;
    }
    wire.rows("ROLLBACK").await.map_err(lost)?;
    if failures.is_empty() {
        Ok(verification)
    } else {
        Err(Error::verification(verification.verified.len().saturating_add(failures.len()), failures))
    }
}
